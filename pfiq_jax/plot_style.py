"""The style of all pictures: colour maps, lines, legends and colour bars. Pictures use no other styles."""

import functools
import io
import math
from collections.abc import Sequence
from typing import Any

from pfiq_jax.errors import PfiqError

MAP_COLOURS = "cividis"
"""The colours of maps and of activations, 0 dark blue, 1 yellow.

Perceptually uniform, and designed to look the same to people with red-green blindness: Nuñez et al., "Optimizing
colormaps with consideration for color vision deficiency", PLoS ONE 2018.
"""

DEFICIT_COLOURS = "magma"
"""The colours of deficits and deviations, 0 black, 1 pale yellow: perceptually uniform, and dark for low deficits.

Their lightness increases with the value, so that people with red-green blindness can read them. Their reds and purples
are not in ``MAP_COLOURS``, so that a deficit is not mistaken for a map.
"""

DIFFERENCE_COLOURS = "coolwarm"
"""The colours of differences, blue below 0, pale grey at 0, red above: Moreland, "Diverging color maps for scientific
visualization", 2009. Nearly uniform; people with red-green blindness can tell blue from red."""

PUBLISHED_COLOURS = "RdYlGn"
"""The colours in the PLQ paper, red to green, which look the same to people with red-green blindness."""

LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Blue, vermilion, green, purple, orange and sky blue, which people with red-green blindness can tell apart.

Source: Okabe and Ito, "Color universal design", 2008. Their yellow is too pale for lines, and black is for controls.
"""

DASHES = ("-", "--", "-.", ":")
DARKEST, PALEST_GREY = 0.55, 0.65


def line_styles(names: Sequence[str], controls: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """The colour and the dashes of each line, as keywords of matplotlib's ``plot``. All lines have different colours.

    The first six lines are solid, in ``LINE_COLOURS``. The next six are darker and dashed, and so on.

    Args:
        names: names of the lines.
        controls: names of the lines that are shown for comparison. They are black or grey, and dashed.
    """
    styles: dict[str, dict[str, Any]] = {}
    measured = [name for name in names if name not in controls]
    rounds = math.ceil(len(measured) / len(LINE_COLOURS))
    for index, name in enumerate(measured):
        number, place = divmod(index, len(LINE_COLOURS))
        share = 1 - (1 - DARKEST) * number / max(1, rounds - 1)
        styles[name] = {"color": darker(LINE_COLOURS[place], share), "linestyle": DASHES[number % len(DASHES)]}
    shown = [name for name in names if name in controls]
    for number, name in enumerate(shown):
        grey = PALEST_GREY * number / max(1, len(shown) - 1)
        styles[name] = {"color": str(grey), "linestyle": DASHES[1 + number % (len(DASHES) - 1)]}
    return styles


def darker(colour: str, share: float) -> tuple[float, ...]:
    """A colour whose red, green and blue are multiplied by a share."""
    return tuple(share * int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))


def legend_right(axes: Any) -> None:
    """The legend of matplotlib ``Axes``, to the right of them, so that it hides no line."""
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, frameon=False, fontsize="small")
    for text in legend.get_texts():
        text.set_parse_math(False)  # names come from files


def colour_bar(drawn: Any, axes: Any, label: str = "", **options: Any) -> Any:
    """A colour bar next to some ``Axes``. It is opaque even if the colours lie over a face.

    Args:
        drawn: the matplotlib image whose colours it explains.
        axes: the ``Axes`` that it belongs to; None if the option ``cax`` is where to draw it.
        label: the meaning of the values.
        options: options of matplotlib's ``colorbar``.

    Returns:
        The ``Colorbar``.
    """
    bar = drawn.figure.colorbar(drawn, ax=axes, **({"shrink": 0.8} | options))
    bar.solids.set_alpha(1)
    bar.set_label(label)
    return bar


def map_bar(drawn: Any, axes: Any, **options: Any) -> None:
    """The colour bar of maps."""
    bar = colour_bar(drawn, axes, "influence of a pixel on the quality", ticks=(0, 0.5, 1), **options)
    bar.set_ticklabels(("0 weak", "0.5", "1 strong"))


def deficit_bar(drawn: Any, axes: Any, **options: Any) -> None:
    """The colour bar of deficits."""
    label = "good faces that contribute more\nat this place; higher is worse"
    bar = colour_bar(drawn, axes, label, ticks=(0, 0.9, 0.95, 0.99), **options)
    bar.set_ticklabels(("0%", "90%", "95%", "99%"))


def new_figure(width: float | int, height: float | int) -> Any:
    """A matplotlib ``Figure`` of a size in inches, which is not registered with pyplot.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PfiqError("plots: need matplotlib; install it with `pip install 'pfiq-jax[plot]'`.") from error
    figure: Any = Figure(figsize=(width, height), dpi=150, layout="constrained")
    figure._repr_png_ = functools.partial(png_of, figure)  # by default notebooks draw only figures of pyplot
    return figure


def png_of(figure: Any) -> bytes:
    """A matplotlib ``Figure`` as a PNG file: the same bytes under every version of matplotlib."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
