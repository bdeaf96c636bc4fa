"""Pictures of a face's quality."""

import io
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from pfiq_jax.errors import PfiqError

GREY = np.array((0.299, 0.587, 0.114), np.float32)  # shares of red, green and blue in luminance (ITU-R BT.601)
MAP_COLOURS = "cividis"
DEFICIT_COLOURS = "magma"


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
    image: ArrayLike, quality: ArrayLike, pixel_map: ArrayLike, *, title: str = "", axes: Any = None
) -> tuple[Any, Any]:
    """Draws a face, the map of its pixels' quality, and the map over the face, side by side.

    Global state is not changed: the figure is not registered with pyplot. Save it with ``figure.savefig``, or
    return it from the cell of a notebook.

    Args:
        image: (height, width, 3), RGB, 0..255.
        quality: the face's score, in [0, 1].
        pixel_map: (height, width), in [0, 1], as ``PixelQuality.map``. 0 is drawn in red and 1 in green, whatever
            range the map has.
        title: above the face, such as the name of its file.
        axes: three matplotlib ``Axes`` to draw into; by default those of a new figure.

    Returns:
        The ``Figure`` and the three ``Axes``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    if axes is None:
        axes = new_figure(10, 3.6).subplots(1, 3)
    face, alone, overlay = axes
    draw_over(face, image)
    face.set_title(title, parse_math=False)
    face.set_xlabel(f"quality {float(np.asarray(quality)):.3f}\n0 to 1, higher is better for recognition")
    colours = alone.imshow(np.asarray(pixel_map), cmap="RdYlGn", vmin=0, vmax=1)
    alone.set_title("pixel quality")
    draw_over(overlay, image, pixel_map, cmap="RdYlGn")
    overlay.set_title("over the face")
    alone.set(xticks=[], yticks=[])
    bar = face.figure.colorbar(colours, ax=[alone, overlay], ticks=(0, 0.5, 1), shrink=0.8)
    bar.set_label("influence of a pixel on the quality")
    bar.ax.set_yticklabels(("0 weak", "0.5", "1 strong"))
    return face.figure, axes


def draw_over(
    axes: Any, image: ArrayLike, overlay: ArrayLike | None = None, *, top: float = 1.0, cmap: str = "turbo"
) -> Any:
    """Draws a face in colour, or in grey with a map over it, without ticks.

    Args:
        axes: matplotlib ``Axes`` to draw into.
        image: (height, width, 3), RGB, 0..255.
        overlay: the map, (height, width), from 0 to ``top``; None for the face alone.
        top: the value that gets the last colour.
        cmap: matplotlib's name of the colours.

    Returns:
        The matplotlib image that was drawn last, for a colour bar.
    """
    axes.set(xticks=[], yticks=[])
    pixels = np.clip(np.asarray(image), 0, 255).astype(np.uint8)
    if overlay is None:
        return axes.imshow(pixels)
    axes.imshow(pixels @ GREY, cmap="gray", vmin=0, vmax=255)
    return axes.imshow(np.asarray(overlay), cmap=cmap, vmin=0, vmax=top, alpha=0.5)
