"""Pictures of a face's quality."""

import io
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from pfiq_jax.errors import PfiqError

GREY = np.array((0.299, 0.587, 0.114), np.float32)  # shares of red, green and blue in luminance (ITU-R BT.601)

MAP_COLOURS = "cividis"
"""The colours of maps and of activations, 0 dark blue, 1 yellow.

Perceptually uniform, and made to look the same to people with red-green blindness: Nuñez et al., "Optimizing colormaps
with consideration for color vision deficiency", PLoS ONE 2018.
"""

DEFICIT_COLOURS = "magma"
"""The colours of deficits and deviations, 0 black, 1 pale yellow: perceptually uniform, and darkest where all is well.

Lightness alone orders them, so red-green blindness does not hide them. Their reds and purples are not in
``MAP_COLOURS``, so that a deficit is not mistaken for a map.
"""

PUBLISHED_COLOURS = "RdYlGn"
"""The colours in the paper of PLQ, red to green, which red-green blindness makes one."""

DEFICIT_GAMMA = 8
"""Exponent of a deficit before it is drawn. On a good face deficits are uniform, and half of them exceed 0.5: drawn as
they are, a good face would look damaged. With 8, only the worst tenth of its pixels gets the brighter half of colours.
"""


def new_figure(width: float | int, height: float | int) -> Any:
    """A matplotlib ``Figure`` of a size in inches, which is not registered with pyplot.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PfiqError("plots need matplotlib; install it with `pip install pfiq-jax[plot]`.") from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def png_of(figure: Any) -> bytes:
    """A matplotlib ``Figure`` as a PNG file: the same bytes under every version of matplotlib."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


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
        title: above the face, such as the name of its file.
        colours: matplotlib's name of the colours; ``PUBLISHED_COLOURS`` for those of the paper.
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
        marked: (height, width), the mask of what is outlined, as ``area`` of ``maps.face_regions.mark_regions``.
        sentences: what the first panel says.
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


def plot_sheet(
    images: ArrayLike, titles: Sequence[str], maps: ArrayLike, deficits: ArrayLike | None, columns: int
) -> Any:
    """A contact sheet: faces, and below each face its map and its deficit.

    Args:
        images: (faces, height, width, 3), RGB, 0..255, at least one.
        titles: one above each face.
        maps: (faces, height, width), in [0, 1].
        deficits: (faces, height, width), in [0, 1], 1 is worst; None to leave them out.
        columns: faces per row.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    kinds: list[tuple[Callable[..., Any], Callable[..., Any] | None, str, ArrayLike]]
    kinds = [(draw_over, None, "", images), (draw_map, map_bar, "map", maps)]
    if deficits is not None:
        kinds.append((draw_deficit, deficit_bar, "deficit", deficits))
    rows = math.ceil(len(titles) / columns)
    figure = new_figure(1.25 * columns + 2, (1.25 * len(kinds) + 0.4) * rows + 0.5)
    axes = figure.subplots(len(kinds) * rows, columns, squeeze=False)
    for each in axes.flat:
        each.set(xticks=[], yticks=[], frame_on=False)
    for row, (draw, bar, label, values) in enumerate(kinds):
        for index, value in enumerate(np.asarray(values)):
            each = axes[len(kinds) * (index // columns) + row, index % columns]
            drawn = draw(each, value)
            each.set_title(titles[index] if row == 0 else "", fontsize="small", parse_math=False)
            each.set_ylabel(label if index % columns == 0 else "")
        if bar is not None:
            bar(drawn, axes, aspect=40)
    return figure


def plot_boxes(image: ArrayLike, boxes: Mapping[str, Sequence[float]], *, title: str = "") -> Any:
    """A photograph with frames around its faces.

    Args:
        image: (height, width, 3), RGB, 0..255.
        boxes: left, top, width and height in pixels, by what is written above each.
        title: above the photograph.

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


def map_bar(drawn: Any, axes: Any, *, aspect: int = 20) -> None:
    """The colour bar of maps, next to some ``Axes``; the same in every picture."""
    bar = drawn.figure.colorbar(drawn, ax=axes, ticks=(0, 0.5, 1), shrink=0.8, aspect=aspect)
    bar.set_label("influence of a pixel on the quality")
    bar.ax.set_yticklabels(("0 weak", "0.5", "1 strong"))


def deficit_bar(drawn: Any, axes: Any, *, aspect: int = 20) -> None:
    """The colour bar of deficits, next to some ``Axes``; the same in every picture."""
    bar = drawn.figure.colorbar(drawn, ax=axes, ticks=(0, 0.9, 0.95, 0.99), shrink=0.8, aspect=aspect)
    bar.set_label("good faces that contribute more\nat this place; higher is worse")
    bar.ax.set_yticklabels(("0%", "90%", "95%", "99%"))


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
