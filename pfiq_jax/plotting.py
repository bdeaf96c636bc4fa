"""Pictures of a face's quality."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from pfiq_jax.plot_style import DEFICIT_COLOURS, MAP_COLOURS, deficit_bar, map_bar, new_figure

TILE, BARS_HEIGHT = 1.25, 0.9  # inches, of a face of a contact sheet and of the colour bars below it
GREY = np.array((0.299, 0.587, 0.114), np.float32)  # shares of red, green and blue in luminance (ITU-R BT.601)

DEFICIT_GAMMA = 8
"""Deficits are drawn with this exponent. On a good face deficits are uniform, and half of them exceed 0.5. Without an
exponent, a good face would look damaged. With 8, only the worst tenth of its pixels gets the brighter half of colours.
"""


def plot_pixel_quality(
    image: ArrayLike,
    quality: ArrayLike,
    pixel_map: ArrayLike,
    *,
    title: str = "",
    colours: str = MAP_COLOURS,
    axes: Any = None,
) -> tuple[Any, Any]:
    """Draws a face, the map of its pixels' quality, and the map over the face, side by side.

    Global state is not changed: the figure is not registered with pyplot. Save it with ``figure.savefig``, or
    return it from the cell of a notebook.

    Args:
        image: (height, width, 3), RGB, 0..255.
        quality: the face's score, in [0, 1].
        pixel_map: (height, width), in [0, 1], as ``PixelQuality.map``. 0 is drawn in the first colour and 1 in the
            last, whatever range the map has.
        title: text above the face, such as the name of its file.
        colours: matplotlib's name of the colours; ``PUBLISHED_COLOURS`` for those of the PLQ paper.
        axes: three matplotlib ``Axes`` to draw into; by default those of a new figure.

    Returns:
        The ``Figure`` and the three ``Axes``.

    Raises:
        PfiqError: if matplotlib is not installed.

    Example:
        >>> pixels = pfiq_jax.pixel_quality(recognizer, face)
        >>> figure, axes = pfiq_jax.plot_pixel_quality(face, pixels.quality, pixels.map, title="demo face")
        >>> figure.savefig("demo_face_quality.png")
    """
    if axes is None:
        axes = new_figure(10, 3.6).subplots(1, 3)
    face, alone, overlay = axes
    draw_over(face, image)
    face.set_title(title, parse_math=False)
    face.set_xlabel(f"quality {float(np.asarray(quality)):.3f}\n0 to 1, higher is better for recognition")
    drawn = draw_map(alone, pixel_map, colours=colours)
    alone.set_title("pixel quality")
    draw_over(overlay, image, pixel_map, colours=colours)
    overlay.set_title("over the face")
    map_bar(drawn, [alone, overlay])
    return face.figure, axes


def plot_deficit(
    image: ArrayLike, deficit: ArrayLike, marked: ArrayLike, sentences: Sequence[str], *, axes: Any = None
) -> tuple[Any, Any]:
    """Draws words, a deficit map, and the face with its marked area outlined, side by side.

    Args:
        image: (height, width, 3), RGB, 0..255.
        deficit: (height, width), in [0, 1], 1 is worst, as ``PixelQuality.deficit``.
        marked: (height, width), the mask of the outlined area, as ``area`` of ``maps.face_regions.mark_regions``.
        sentences: the text of the first panel.
        axes: three matplotlib ``Axes`` to draw into; by default those of a new figure.

    Returns:
        The ``Figure`` and the three ``Axes``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    if axes is None:
        axes = new_figure(10, 3.6).subplots(1, 3)
    text, alone, outlined = axes
    write_in(text, sentences)
    drawn = draw_deficit(alone, deficit)
    alone.set_title("deficit")
    draw_over(outlined, image)
    outline(outlined, marked)
    outlined.set_title("marked area" if np.any(np.asarray(marked)) else "no marked area")
    deficit_bar(drawn, [alone, outlined])
    return text.figure, axes


def plot_faces(
    images: ArrayLike,
    titles: Sequence[str],
    maps: Mapping[str, ArrayLike],
    deficits: Mapping[str, ArrayLike] = MappingProxyType({}),
    *,
    columns: int,
    heading: str = "",
    figure: Any = None,
) -> Any:
    """A contact sheet: faces, and below each face its maps and its deficits.

    Args:
        images: (faces, height, width, 3), RGB, 0..255, at least one.
        titles: one title above each face.
        maps: (faces, height, width), in [0, 1], by name, at least one.
        deficits: (faces, height, width), in [0, 1], 1 is worst, by name.
        columns: faces per row.
        heading: heading above the whole picture.
        figure: matplotlib's figure, or a part of one, to draw into; by default a new one of the size ``sheet_size``.

    Returns:
        The figure.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    kinds: list[tuple[Callable[..., Any], Callable[..., None] | None, str, ArrayLike]]
    kinds = [(draw_over, None, "", images)]
    kinds += [(draw_map, map_bar, name, values) for name, values in maps.items()]
    kinds += [(draw_deficit, deficit_bar, name, values) for name, values in deficits.items()]
    width, height = sheet_size(len(titles), columns, len(maps), len(deficits))
    figure = new_figure(width, height) if figure is None else figure
    above, below = figure.subfigures(2, 1, height_ratios=(height - BARS_HEIGHT, BARS_HEIGHT))
    axes = above.subplots(len(kinds) * math.ceil(len(titles) / columns), columns, squeeze=False)
    for each in axes.flat:
        each.set(xticks=[], yticks=[], frame_on=False)
    drawn = {}  # a matplotlib image by the colour bar that explains it
    for row, (draw, bar, name, values) in enumerate(kinds):
        for index, value in enumerate(np.asarray(values)):
            each = axes[len(kinds) * (index // columns) + row, index % columns]
            drawn[bar] = draw(each, value)
            each.set_title(titles[index] if row == 0 else "", fontsize="small", parse_math=False)
            each.set_ylabel(name.replace("_", "\n") if index % columns == 0 else "", fontsize="small")
    bars = [(bar, image) for bar, image in drawn.items() if bar is not None]
    places = below.subplots(1, len(bars), squeeze=False, gridspec_kw={"wspace": 0.2})
    for each, (bar, image) in zip(places.flat, bars, strict=True):
        bar(image, None, cax=each, orientation="horizontal")
    above.suptitle(heading, parse_math=False)
    return figure


def sheet_size(faces: int, columns: int, maps: int, deficits: int) -> tuple[float, float]:
    """Width and height of the picture of ``plot_faces``, in inches.

    Args:
        faces: number of faces.
        columns: faces per row.
        maps: number of maps below each face.
        deficits: number of deficits below each face.
    """
    rows = math.ceil(faces / columns)
    return max(5.0, TILE * columns + 0.5), (TILE * (1 + maps + deficits) + 0.4) * rows + 0.5 + BARS_HEIGHT


def plot_boxes(image: ArrayLike, boxes: Mapping[str, Sequence[float]], *, title: str = "") -> Any:
    """A photograph with frames around its faces.

    Args:
        image: (height, width, 3), RGB, 0..255.
        boxes: left, top, width and height in pixels, by the text above each box.
        title: title above the photograph.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    height, width = np.shape(image)[:2]
    figure = new_figure(10, 1 + 10 * min(2.0, height / width))
    axes = figure.subplots()
    draw_over(axes, image)
    axes.set_title(title, parse_math=False)
    for text, (left, top, wide, high) in boxes.items():
        for line, colour in ((3.5, "black"), (1.8, "white")):
            axes.add_patch(_rectangle((left, top), wide, high, colour, line))
        label = axes.text(left, top, text, color="white", va="bottom", parse_math=False, clip_on=True)
        label.set_bbox({"facecolor": "black", "edgecolor": "none", "pad": 1.5})
    return figure


def _rectangle(corner: tuple[float, float], width: float, height: float, colour: str, line: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=line)


def write_in(axes: Any, sentences: Sequence[str]) -> None:
    """Writes sentences into matplotlib ``Axes`` of about 3 inches, without a frame."""
    axes.set_axis_off()
    lines = "\n".join(textwrap.fill(sentence, 34, subsequent_indent="    ") for sentence in sentences)
    text = axes.text(0, 0.5, lines, transform=axes.transAxes, va="center", parse_math=False)
    text.set_in_layout(False)  # all rows of panels keep their widths


def draw_map(axes: Any, values: ArrayLike, *, colours: str = MAP_COLOURS) -> Any:
    """Draws a map, (height, width), from 0 to 1, without ticks; returns the matplotlib image, for a colour bar."""
    axes.set(xticks=[], yticks=[])
    return axes.imshow(np.asarray(values), cmap=colours, vmin=0, vmax=1)


def draw_deficit(axes: Any, deficit: ArrayLike) -> Any:
    """Draws a deficit map, (height, width), from 0 to 1, without ticks; the worst tenth takes half of the colours.

    Returns:
        The matplotlib image, for a colour bar.
    """
    from matplotlib.colors import PowerNorm

    axes.set(xticks=[], yticks=[])
    return axes.imshow(np.asarray(deficit), cmap=DEFICIT_COLOURS, norm=PowerNorm(DEFICIT_GAMMA, 0, 1))


def outline(axes: Any, area: ArrayLike) -> None:
    """Draws the border of a mask, (height, width), over what is in the axes: black on white, visible on every face."""
    levels = np.pad(np.asarray(area, np.float32), 1)  # so that areas at the image's border are closed too
    if not levels.any():
        return
    rows, columns = (np.arange(-1, length - 1) for length in levels.shape)
    limits = axes.get_xlim(), axes.get_ylim()
    for width, colour in ((3.5, "black"), (1.8, "white")):
        axes.contour(columns, rows, levels, levels=[0.5], colors=colour, linewidths=width)
    axes.set(xlim=limits[0], ylim=limits[1])


def draw_over(
    axes: Any, image: ArrayLike, overlay: ArrayLike | None = None, *, top: float = 1.0, colours: str = MAP_COLOURS
) -> Any:
    """Draws a face in colour, or in grey with a map over it, without ticks.

    Args:
        axes: matplotlib ``Axes`` to draw into.
        image: (height, width, 3), RGB, 0..255.
        overlay: the map, (height, width), from 0 to ``top``; None for the face alone.
        top: the value that gets the last colour.
        colours: matplotlib's name of the colours.

    Returns:
        The matplotlib image that was drawn last, for a colour bar.
    """
    axes.set(xticks=[], yticks=[])
    pixels = np.clip(np.asarray(image), 0, 255).astype(np.uint8)
    if overlay is None:
        return axes.imshow(pixels)
    axes.imshow(pixels @ GREY, cmap="gray", vmin=0, vmax=255)
    return axes.imshow(np.asarray(overlay), cmap=colours, vmin=0, vmax=top, alpha=0.5)
