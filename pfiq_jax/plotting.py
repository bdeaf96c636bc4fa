"""Pictures of a face's quality."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from pfiq_jax.errors import PfiqError


def new_figure(width: float | int, height: float | int) -> Any:
    """A matplotlib ``Figure`` of inches that is not pyplot's.

    Raises:
        PfiqError: where matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PfiqError("plots need matplotlib; install it with `pip install pfiq-jax[plot]`.") from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def plot_pixel_quality(
    image: ArrayLike, quality: ArrayLike, map: ArrayLike, *, title: str = "", axes: Any = None
) -> tuple[Any, Any]:
    """The face, the map of its pixels' quality, and the one laid over the other, side by side.

    Nothing global is touched: the figure is not pyplot's, show it with ``figure.savefig`` or by returning it from a
    notebook's cell.

    Args:
        image: (height, width, 3), RGB, 0..255.
        quality: the face's score.
        map: (height, width), in [0, 1], higher is better, drawn from red to green on this scale whatever it spans.
        title: stands above the face; its file's name, say.
        axes: three matplotlib ``Axes`` to draw into; by default of a new figure.

    Returns:
        The ``Figure`` and the three ``Axes``.

    Raises:
        PfiqError: where matplotlib is missing.
    """
    if axes is None:
        axes = new_figure(10, 3.6).subplots(1, 3)
    face, alone, overlay = axes
    draw_over(face, image)
    face.set_title(title, parse_math=False)
    face.set_xlabel(f"quality {float(np.asarray(quality)):.3f}\n0 to 1, higher is better for recognition")
    scale = alone.imshow(np.asarray(map), cmap="RdYlGn", vmin=0, vmax=1)
    alone.set_title("pixel quality")
    draw_over(overlay, image, map, cmap="RdYlGn")
    overlay.set_title("over the face")
    alone.set(xticks=[], yticks=[])
    bar = face.figure.colorbar(scale, ax=[alone, overlay], ticks=(0, 0.5, 1), shrink=0.8)
    bar.set_label("how strongly a pixel moves the quality")
    bar.ax.set_yticklabels(("0 little", "0.5", "1 much"))
    return face.figure, axes


def draw_over(
    axes: Any, image: ArrayLike, map: ArrayLike | None = None, *, top: float = 1.0, cmap: str = "turbo"
) -> Any:
    """Draws a face, or over it in grey a map from 0 to ``top``, without ticks.

    Args:
        axes: matplotlib ``Axes`` to draw into.
        image: (height, width, 3), RGB, 0..255.
        map: (height, width); None for the face alone, in colour.
        top: value of the last colour.
        cmap: matplotlib's name of the colours.

    Returns:
        What was drawn last, for a colour bar.
    """
    axes.set(xticks=[], yticks=[])
    pixels = np.clip(np.asarray(image), 0, 255).astype(np.uint8)
    if map is None:
        return axes.imshow(pixels)
    axes.imshow(pixels @ np.array((0.299, 0.587, 0.114), np.float32), cmap="gray", vmin=0, vmax=255)
    return axes.imshow(np.asarray(map), cmap=cmap, vmin=0, vmax=top, alpha=0.5)
