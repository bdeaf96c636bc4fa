import io
import sys

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from pfiq_jax import PfiqError
from pfiq_jax.plotting import plot_pixel_quality

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
    with pytest.raises(PfiqError, match=r"pip install pfiq-jax\[plot\]"):
        plot_pixel_quality(IMAGE, 0.75, MAP)
