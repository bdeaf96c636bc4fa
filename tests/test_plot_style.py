import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from pfiq_jax.plot_style import (
    DEFICIT_COLOURS,
    DIFFERENCE_COLOURS,
    LINE_COLOURS,
    MAP_COLOURS,
    PUBLISHED_COLOURS,
    colour_bar,
    legend_right,
    line_styles,
    new_figure,
)


def seen_by_deuteranopes(colours: np.ndarray) -> np.ndarray:
    """RGB in [0, 1] as people without green cones see it: Machado et al. 2009, severity 1.0."""
    matrix = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    return np.clip(colours @ np.array(matrix).T, 0, 1)


def lightness(name: str) -> np.ndarray:
    """Relative luminance of a colour map from 0 to 1, as deuteranopes see it."""
    colours = seen_by_deuteranopes(matplotlib.colormaps[name](np.linspace(0, 1, 33))[:, :3])
    return colours**2.2 @ np.array([0.2126, 0.7152, 0.0722])


def test_colours_are_in_order_for_people_with_red_green_blindness():
    assert (np.diff(lightness(MAP_COLOURS)) > 0).all()
    assert (np.diff(lightness(DEFICIT_COLOURS)) > 0).all()
    assert not (np.diff(lightness(PUBLISHED_COLOURS)) > 0).all()


def test_differences_are_palest_at_0_and_their_signs_stay_apart():
    assert (np.diff(lightness(DIFFERENCE_COLOURS)[:16]) > 0).all()
    assert (np.diff(lightness(DIFFERENCE_COLOURS)[17:]) < 0).all()
    below, above = seen_by_deuteranopes(matplotlib.colormaps[DIFFERENCE_COLOURS]([0.0, 1.0])[:, :3])
    assert np.linalg.norm(below - above) > 0.5


@pytest.mark.parametrize("count", [2, 6, 12, 18, 40])
def test_no_two_lines_have_one_colour(count):
    names = ["control", *map(str, range(count)), "another"]
    styles = line_styles(names, controls=("control", "another", "left out"))
    assert set(styles) == set(names)
    assert len({to_rgb(style["color"]) for style in styles.values()}) == count + 2
    assert to_rgb(styles["control"]["color"]) == (0, 0, 0)


def test_lines_of_one_kind_are_apart_for_people_with_red_green_blindness():
    """The colours of all lines up to 12 that have the same dashes."""
    styles = line_styles([str(index) for index in range(12)])
    for left, right in itertools.combinations(styles.values(), 2):
        if left["linestyle"] == right["linestyle"]:
            colours = seen_by_deuteranopes(np.array([to_rgb(left["color"]), to_rgb(right["color"])]))
            assert np.linalg.norm(colours[0] - colours[1]) > 0.1


def test_the_first_lines_are_solid_and_have_the_colours_of_the_list():
    styles = line_styles("abcdef")
    assert [to_rgb(style["color"]) for style in styles.values()] == [to_rgb(colour) for colour in LINE_COLOURS]
    assert {style["linestyle"] for style in styles.values()} == {"-"}


def test_a_legend_is_outside_of_its_axes_and_inside_the_figure():
    figure = new_figure(6, 3)
    axes = figure.subplots()
    axes.plot([0, 1], label=r"a$\b$")
    legend_right(axes)
    figure.draw_without_rendering()
    box = axes.get_legend().get_window_extent()
    assert box.x0 > axes.get_window_extent().x1
    assert box.x1 <= figure.bbox.x1


def test_a_notebook_draws_a_figure():
    assert new_figure(1, 1)._repr_png_().startswith(b"\x89PNG")


def test_a_colour_bar_is_opaque():
    axes = new_figure(3, 3).subplots()
    bar = colour_bar(axes.imshow(np.eye(3), alpha=0.5), axes, "values")
    assert bar.solids.get_alpha() == 1
    assert bar.ax.get_ylabel() == "values"
