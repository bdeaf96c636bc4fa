"""What activation maps of good and bad faces showed: pictures, a table, and one page of HTML with all of them in it."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from pfiq_jax.plotting import draw_over, new_figure
from pfiq_jax.variation.region import Region, by_region, mean_by_region
from pfiq_jax.variation.study import Study
from pfiq_jax.variation.variation import Variation

TITLES = {
    "mean": "mean",
    "std": "standard deviation",
    "median": "median",
    "squared_deviation_spread": "spread of squared deviations",
}
"""Of the statistics of a set."""

HIGH_COLOR, LOW_COLOR = "tab:red", "tab:blue"  # as in the paper's density plots
SIGNIFICANT = 0.05

Faces = Shaped[np.ndarray, "faces height width 3"]


def figures_of(found: Study, scores: Float[np.ndarray, " faces"], region: Region) -> dict[str, float]:
    """All figures of a study by name: ``STATISTIC_PLACE_SET``, the test's, the correlations'.

    Args:
        found: the study.
        scores: of ``found.others``.
        region: the central face.
    """
    from scipy.stats import spearmanr  # takes long to import

    figures: dict[str, float] = {}
    for name in TITLES:
        for label, variation in (("high", found.high), ("low", found.low)):
            inside, outside = mean_by_region(getattr(variation, name), region)
            figures |= {f"{name}_inside_{label}": inside, f"{name}_outside_{label}": outside}
    figures |= {"std_outside_low_minus_high": found.test.difference, "std_outside_p_value": found.test.p_value}
    figures["cells_significant"] = float(np.mean(found.test.cell_p_values < SIGNIFICANT))
    for name, values in (("deviation", found.whole), ("deviation_outside", found.outside)):
        correlation = spearmanr(values, scores)
        figures |= {f"{name}_correlation": float(correlation.statistic), f"{name}_p_value": float(correlation.pvalue)}
    return figures


def findings_of(figures: Mapping[str, float], score: str) -> list[str]:
    """The paper's two findings, each confirmed or not, in a sentence with its figures."""
    low, high = figures["std_outside_low"], figures["std_outside_high"]
    varies = figures["std_outside_p_value"] < SIGNIFICANT
    correlation, p_value = figures["deviation_correlation"], figures["deviation_p_value"]
    deviates = correlation < 0 and p_value < SIGNIFICANT
    return [
        f"Low-quality faces vary more outside the central face than high-quality ones: {_verdict(varies)}. The mean "
        f"standard deviation of a pixel there is {low:.3f} against {high:.3f} (permutation test, p = "
        f"{figures['std_outside_p_value']:.3g}).",
        f"A single face's deviation from what good faces show tells its quality: {_verdict(deviates)}. Its rank "
        f"correlation with {score} is {correlation:.3f} (p = {p_value:.2g}; negative is as expected), outside the "
        f"central face {figures['deviation_outside_correlation']:.3f}.",
    ]


def rows_of(figures: Mapping[str, float]) -> list[list[str]]:
    """A table of the statistics of both sets inside and outside the central face; the first row is its head."""
    rows = [["mean of a pixel's", "high, inside", "low, inside", "high, outside", "low, outside"]]
    for name, title in TITLES.items():
        cells = [figures[f"{name}_{place}_{label}"] for place in ("inside", "outside") for label in ("high", "low")]
        rows.append([title, *(f"{value:.4f}" for value in cells)])
    return rows


def plot_statistics(high: Variation, low: Variation, region: Region) -> Any:
    """Maps of each statistic of both sets, on one scale, and what the low set has more of.

    The paper draws each map in the range of its own, and the size of their difference; on a common scale, and with its
    sign, one sees which of both varies more.

    Args:
        high: of the faces of high quality.
        low: of those of low quality.
        region: the central face, outlined.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: where matplotlib is missing.

    References:
        Fu and Damer, WACVW 2022, figures of mean and variation maps.
    """
    figure = new_figure(9, 2.6 * len(TITLES))
    axes = figure.subplots(len(TITLES), 3)
    for row, (name, title) in zip(axes, TITLES.items(), strict=True):
        of_high, of_low = getattr(high, name), getattr(low, name)
        top = max(of_high.max(), of_low.max())
        for each, values in zip(row, (of_high, of_low), strict=False):
            scale = each.imshow(values, cmap="turbo", vmin=0, vmax=top)
        figure.colorbar(scale, ax=row[:2], shrink=0.9)
        difference = of_low - of_high
        reach = max(np.abs(difference).max(), 1e-12)
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


def plot_densities(high: Variation, low: Variation, region: Region) -> Any:
    """How the standard deviations and the medians of pixels spread, outside and inside the central face.

    Args:
        high: of the faces of high quality, red.
        low: of those of low quality, blue.
        region: the central face.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: where matplotlib is missing.

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
                if np.ptp(values) > 0:  # else it has no density
                    grid = np.linspace(values.min(), values.max(), 200)
                    each.plot(grid, gaussian_kde(values)(grid), color=color, label=f"{label} quality")
                each.axvline(values.mean(), color=color, linestyle=":", linewidth=1)
            each.set(xlabel=f"{TITLES[name]} of a pixel", title=f"{place} the central face", yticks=[])
    axes[0, 0].legend(fontsize="small")
    return figure


def plot_deviations(
    images: Faces,
    titles: Sequence[str],
    maps: Float[np.ndarray, "faces height width"],
    deviations: Float[np.ndarray, "faces height width"],
) -> Any:
    """Faces, their activation maps, and how far these are from what good faces show, each laid over the face.

    Args:
        images: RGB, 0..255.
        titles: what stands above each.
        maps: activation maps.
        deviations: on one scale for all faces.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: where matplotlib is missing.

    References:
        Fu and Damer, WACVW 2022, figures of single images.
    """
    figure = new_figure(1.4 * len(images) + 1, 5)
    axes = figure.subplots(3, len(images), squeeze=False)
    reach = max(deviations.max(), 1e-12)
    for column, image in enumerate(images):
        draw_over(axes[0, column], image)
        draw_over(axes[1, column], image, maps[column])
        scale = draw_over(axes[2, column], image, deviations[column], top=reach)
        axes[0, column].set_title(titles[column], fontsize="small", parse_math=False)
    for each, title in zip(axes[:, 0], ("face", "activation", "deviation"), strict=True):
        each.set_ylabel(title)
    figure.colorbar(scale, ax=axes[2], shrink=0.9)
    return figure


def plot_relation(scores: Float[np.ndarray, " faces"], deviations: Float[np.ndarray, " faces"], score: str) -> Any:
    """Each face's mean deviation against its quality score.

    Args:
        scores: higher is better.
        deviations: higher is further from what good faces show.
        score: its name.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: where matplotlib is missing.
    """
    figure = new_figure(5, 4)
    axes = figure.subplots()
    axes.plot(scores, deviations, ".", markersize=4)
    axes.set_xlabel(f"{score}, higher is better", parse_math=False)
    axes.set_ylabel("mean deviation from good faces' mean map")
    return figure


def html_page(
    title: str, paragraphs: Sequence[str], table: Sequence[Sequence[str]], pictures: Mapping[str, bytes]
) -> str:
    """One page that needs no other file: text, a table with a line of headings, and PNG pictures with captions."""
    head, *rows = table
    lines = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>',
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>",
        *(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs),
        "<table>",
        _row("th", head),
        *(_row("td", row) for row in rows),
        "</table>",
        *(
            f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            for caption, png in pictures.items()
        ),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def png_of(figure: Any) -> bytes:
    """A figure as a PNG file: the same bytes under every matplotlib."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _verdict(holds: bool) -> str:
    return "confirmed" if holds else "not confirmed"


_STYLE = (
    "body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em;line-height:1.4}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}figure{margin:2em 0}img{max-width:100%}"
)


def _row(kind: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"
