"""Pictures of a study of activation maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pfiq_jax.plot_style import (
    DEFICIT_COLOURS,
    DIFFERENCE_COLOURS,
    LINE_COLOURS,
    MAP_COLOURS,
    colour_bar,
    legend_right,
    line_styles,
    new_figure,
)
from pfiq_jax.plotting import draw_map, draw_over, outline
from pfiq_jax.variation.comparison import deviation
from pfiq_jax.variation.deficits import Deficits
from pfiq_jax.variation.findings import TITLES
from pfiq_jax.variation.region import Region, by_region
from pfiq_jax.variation.study_files import Example
from pfiq_jax.variation.variation import Variation
from pfiq_jax.vectors import TINY

SETS = ("high quality", "low quality")


def plot_statistics(high: Variation, low: Variation, region: Region) -> Any:
    """The maps of each statistic of both sets, on one scale, and their difference, low minus high.

    The paper draws each map on its own scale, and the absolute difference. A common scale and the sign show which set
    varies more.

    Args:
        high: of the faces of high quality.
        low: of the faces of low quality.
        region: the central face, which is outlined.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.

    References:
        Fu and Damer, WACVW 2022, pictures of mean and variation maps.
    """
    figure = new_figure(9, 2.6 * len(TITLES))
    axes = figure.subplots(len(TITLES), 3)
    for row, (name, title) in zip(axes, TITLES.items(), strict=True):
        of_high, of_low = getattr(high, name), getattr(low, name)
        top = max(of_high.max(), of_low.max())
        for each, values in zip(row, (of_high, of_low), strict=False):
            scale = each.imshow(values, cmap=MAP_COLOURS, vmin=0, vmax=top)
        colour_bar(scale, row[:2])
        difference = of_low - of_high
        reach = max(np.abs(difference).max(), TINY)
        scale = row[2].imshow(difference, cmap=DIFFERENCE_COLOURS, vmin=-reach, vmax=reach)
        colour_bar(scale, row[2])
        row[0].set_ylabel(title)
        for each in row:
            each.set(xticks=[], yticks=[])
            outline(each, region)
    titles = (f"{SETS[0]}, {high.count}", f"{SETS[1]}, {low.count}", "low minus high")
    for each, title in zip(axes[0], titles, strict=True):
        each.set_title(title)
    return figure


def plot_deficits(deficits: Deficits) -> Any:
    """The mean deficit maps of both sets, side by side, from 0 to 1.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    figure = new_figure(7, 3.2)
    axes = figure.subplots(1, 2)
    for each, of_set, title in zip(axes, deficits, SETS, strict=True):
        drawn = draw_map(each, of_set.mean, colours=DEFICIT_COLOURS)
        each.set_title(title)
    colour_bar(drawn, axes, "mean deficit; higher is worse,\n0.5 is usual in good faces", ticks=(0, 0.5, 1))
    return figure


def plot_densities(high: Variation, low: Variation, region: Region) -> Any:
    """Densities of the standard deviations and medians of pixels, outside and inside the central face.

    Args:
        high: of the faces of high quality.
        low: of the faces of low quality.
        region: the central face.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.

    References:
        Fu and Damer, WACVW 2022, density plots.
    """
    from scipy.stats import gaussian_kde  # takes long to import

    figure = new_figure(10, 6)
    axes = figure.subplots(2, 2)
    styles = line_styles(SETS)
    for row, name in zip(axes, ("std", "median"), strict=True):
        for each, place in zip(row, ("outside", "inside"), strict=True):
            for variation, name_of_set in zip((high, low), SETS, strict=True):
                values = getattr(by_region(getattr(variation, name), region), place)
                if np.ptp(values) > 0:  # otherwise there is no density
                    grid = np.linspace(values.min(), values.max(), 200)
                    each.plot(grid, gaussian_kde(values)(grid), label=name_of_set, **styles[name_of_set])
                mean = {"color": styles[name_of_set]["color"], "linestyle": ":"}
                each.axvline(values.mean(), label=f"{name_of_set}, mean", **mean)
            each.set(xlabel=f"{TITLES[name]} of a pixel", title=f"{place} the central face", yticks=[])
    legend_right(axes[0, 1])
    return figure


def plot_examples(examples: Sequence[Example], good: Variation) -> Any:
    """Faces, their activation maps, and the deviations of these from the mean map of faces of high quality.

    Args:
        examples: one or more faces; their scores are the titles. Deviations are drawn on one scale.
        good: of the faces of high quality.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.

    References:
        Fu and Damer, WACVW 2022, pictures of single images.
    """
    figure = new_figure(1.4 * len(examples) + 1, 5)
    axes = figure.subplots(3, len(examples), squeeze=False)
    deviations = [deviation(good, example.activation) for example in examples]
    top = max(np.max(deviations), TINY)
    for column, (example, away) in enumerate(zip(examples, deviations, strict=True)):
        draw_over(axes[0, column], example.image)
        active = draw_over(axes[1, column], example.image, example.activation)
        scale = draw_over(axes[2, column], example.image, away, top=top, colours=DEFICIT_COLOURS)
        axes[0, column].set_title(f"{example.score:.4g}", fontsize="small", parse_math=False)
    for each, title in zip(axes[:, 0], ("face", "activation", "deviation"), strict=True):
        each.set_ylabel(title)
    colour_bar(active, axes[1])
    colour_bar(scale, axes[2])
    return figure


def plot_relation(scores: Float[np.ndarray, " faces"], deviations: Float[np.ndarray, " faces"], score: str) -> Any:
    """The mean deviation of each face against its quality score.

    Args:
        scores: higher is better.
        deviations: mean deviation of each face; higher is further from the mean map of faces of high quality.
        score: name of the score.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    figure = new_figure(5, 4)
    axes = figure.subplots()
    axes.plot(scores, deviations, ".", markersize=4, color=LINE_COLOURS[0])
    axes.set_xlabel(f"{score}, higher is better", parse_math=False)
    axes.set_ylabel("mean deviation from good faces' mean map")
    return figure
