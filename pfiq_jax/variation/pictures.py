"""Pictures of a study of activation maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pfiq_jax.plotting import DEFICIT_COLOURS, MAP_COLOURS, draw_map, draw_over, new_figure
from pfiq_jax.variation.comparison import deviation
from pfiq_jax.variation.deficits import Deficits
from pfiq_jax.variation.findings import TITLES
from pfiq_jax.variation.region import Region, by_region
from pfiq_jax.variation.study_files import Example
from pfiq_jax.variation.variation import Variation
from pfiq_jax.vectors import TINY

HIGH_COLOR, LOW_COLOR = "tab:red", "tab:blue"  # as in the paper's density plots


def plot_statistics(high: Variation, low: Variation, region: Region) -> Any:
    """Maps of each statistic of both sets, on one scale, and the difference, low minus high.

    The paper draws each map on a scale of its own, and the absolute difference. A common scale and the sign show which
    set varies more.

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
        figure.colorbar(scale, ax=row[:2], shrink=0.9)
        difference = of_low - of_high
        reach = max(np.abs(difference).max(), TINY)
        scale = row[2].imshow(difference, cmap="coolwarm", vmin=-reach, vmax=reach)
        figure.colorbar(scale, ax=row[2], shrink=0.9)
        row[0].set_ylabel(title)
        for each in row:
            each.set(xticks=[], yticks=[])
            each.contour(region, levels=[0.5], colors="white", linewidths=1)
    for each, title in zip(
        axes[0], (f"high quality, {high.count}", f"low quality, {low.count}", "low minus high"), strict=True
    ):
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
    for each, of_set, title in zip(axes, deficits, ("high quality", "low quality"), strict=True):
        drawn = draw_map(each, of_set.mean, colours=DEFICIT_COLOURS)
        each.set_title(title)
    bar = figure.colorbar(drawn, ax=axes, ticks=(0, 0.5, 1), shrink=0.8)
    bar.set_label("mean deficit; higher is worse,\n0.5 is usual in good faces")
    return figure


def plot_densities(high: Variation, low: Variation, region: Region) -> Any:
    """Densities of the pixels' standard deviations and medians, outside and inside the central face.

    Args:
        high: of the faces of high quality, red.
        low: of the faces of low quality, blue.
        region: the central face.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.

    References:
        Fu and Damer, WACVW 2022, density plots.
    """
    from scipy.stats import gaussian_kde  # takes long to import

    figure = new_figure(9, 6)
    axes = figure.subplots(2, 2)
    for row, name in zip(axes, ("std", "median"), strict=True):
        for each, place in zip(row, ("outside", "inside"), strict=True):
            for variation, color, label in ((high, HIGH_COLOR, "high"), (low, LOW_COLOR, "low")):
                values = getattr(by_region(getattr(variation, name), region), place)
                if np.ptp(values) > 0:  # otherwise there is no density
                    grid = np.linspace(values.min(), values.max(), 200)
                    each.plot(grid, gaussian_kde(values)(grid), color=color, label=f"{label} quality")
                each.axvline(values.mean(), color=color, linestyle=":", linewidth=1)
            each.set(xlabel=f"{TITLES[name]} of a pixel", title=f"{place} the central face", yticks=[])
    axes[0, 0].legend(fontsize="small")
    return figure


def plot_examples(examples: Sequence[Example], good: Variation) -> Any:
    """Faces, their activation maps, and the maps' deviations from the mean map of good faces, over each face.

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
        draw_over(axes[1, column], example.image, example.activation)
        scale = draw_over(axes[2, column], example.image, away, top=top, colours=DEFICIT_COLOURS)
        axes[0, column].set_title(f"{example.score:.4g}", fontsize="small", parse_math=False)
    for each, title in zip(axes[:, 0], ("face", "activation", "deviation"), strict=True):
        each.set_ylabel(title)
    figure.colorbar(scale, ax=axes[2], shrink=0.9)
    return figure


def plot_relation(scores: Float[np.ndarray, " faces"], deviations: Float[np.ndarray, " faces"], score: str) -> Any:
    """Each face's mean deviation against its quality score.

    Args:
        scores: higher is better.
        deviations: mean deviation of each face; higher is further from the mean map of good faces.
        score: its name.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    figure = new_figure(5, 4)
    axes = figure.subplots()
    axes.plot(scores, deviations, ".", markersize=4)
    axes.set_xlabel(f"{score}, higher is better", parse_math=False)
    axes.set_ylabel("mean deviation from good faces' mean map")
    return figure
