import io
import sys

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from pfiq_jax import PfiqError
from pfiq_jax.plot_style import DEFICIT_COLOURS, MAP_COLOURS, PUBLISHED_COLOURS
from pfiq_jax.plotting import plot_deficit, plot_faces, plot_pixel_quality

IMAGE = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
MAP = np.linspace(0.2, 0.4, 112 * 112).reshape(112, 112)


def test_draws_the_map_on_its_own_scale():
    _, axes = plot_pixel_quality(IMAGE, 0.75, MAP)
    face, alone, overlay = axes
    np.testing.assert_array_equal(face.images[0].get_array(), IMAGE)
    np.testing.assert_array_equal(alone.images[0].get_array(), MAP)
    assert alone.images[0].get_clim() == overlay.images[1].get_clim() == (0, 1)
    assert "0.750" in face.get_xlabel()
    assert "higher is better" in face.get_xlabel()


def test_draws_into_given_axes():
    figure = Figure()
    given = figure.subplots(1, 3)
    drawn, axes = plot_pixel_quality(IMAGE, 0.75, MAP, axes=given)
    assert drawn is figure
    assert axes is given


def test_leaves_pyplot_alone():
    plot_pixel_quality(IMAGE, 0.75, MAP)
    assert not pyplot.get_fignums()


def test_takes_any_title_literally():
    figure, _ = plot_pixel_quality(IMAGE, 0.75, MAP, title=r"a$\b$")
    figure.savefig(io.BytesIO())


def test_names_the_extra_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PfiqError, match=r"pip install 'pfiq-jax\[plot\]'"):
        plot_pixel_quality(IMAGE, 0.75, MAP)


def test_the_published_colours_are_an_option():
    for options, wanted in ({}, MAP_COLOURS), ({"colours": PUBLISHED_COLOURS}, "RdYlGn"):
        _, (_, alone, overlay) = plot_pixel_quality(IMAGE, 0.75, MAP, **options)
        assert alone.images[0].get_cmap().name == overlay.images[1].get_cmap().name == wanted


def test_draws_the_deficit_and_outlines_the_marked_area():
    marked = np.zeros((112, 112), bool)
    marked[40:60, 20:90] = True
    _, (words, deficit, outlined) = plot_deficit(IMAGE, MAP, marked, ["left eye: $a$."])
    assert words.texts[0].get_text() == "left eye: $a$."
    np.testing.assert_array_equal(deficit.images[0].get_array(), MAP)
    assert deficit.images[0].get_clim() == (0, 1)
    assert outlined.get_title() == "marked area"
    (path,) = outlined.collections[0].get_paths()
    np.testing.assert_allclose(path.get_extents().extents, (19.5, 39.5, 89.5, 59.5))
    np.testing.assert_allclose(outlined.get_xlim(), (-0.5, 111.5))


def test_outlines_nothing_where_nothing_is_marked():
    _, (_, _, outlined) = plot_deficit(IMAGE, MAP, np.zeros((112, 112), bool), ["None."])
    assert outlined.get_title() == "no marked area"
    assert not outlined.collections


def test_a_good_faces_deficits_are_dark_and_the_worst_hundredth_is_bright():
    _, (_, deficit, _) = plot_deficit(IMAGE, MAP, MAP > 1, [])
    drawn = deficit.images[0].norm(np.array([0, 0.5, 0.9, 0.99, 1]))
    np.testing.assert_allclose(drawn, [0, 0.004, 0.43, 0.923, 1], atol=1e-3)


@pytest.mark.parametrize("has_deficits", [True, False])
def test_a_sheet_has_a_row_for_each_kind(has_deficits):
    images, maps = np.stack([IMAGE] * 3), np.stack([MAP] * 3)
    figure = plot_faces(images, ["a", "b", "c"], {"a_map": maps}, {"deficit": maps} if has_deficits else {}, columns=2)
    above, below = figure.subfigs
    drawn = [each for each in above.axes if each.images]
    assert len(drawn) == (9 if has_deficits else 6)
    assert len(above.axes) == (12 if has_deficits else 8)
    assert len(below.axes) == (2 if has_deficits else 1)  # colour bars
    assert [each.get_title() for each in drawn if each.get_title()] == ["a", "b", "c"]
    colours = {each.get_ylabel(): each.images[0].get_cmap().name for each in drawn if each.get_ylabel()}
    assert colours == {"a\nmap": MAP_COLOURS} | ({"deficit": DEFICIT_COLOURS} if has_deficits else {})
