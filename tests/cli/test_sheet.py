"""``pfiq sheet`` with and without deficits."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import pytest
from PIL import Image

from pfiq_jax import PixelQuality
from pfiq_jax.maps.face_regions import NOT_CALIBRATED
from pfiq_jax.maps.methods import MAP_METHODS


@pytest.mark.parametrize("has_deficits", [True, False])
def test_draws_deficits_or_says_why_not(run, photos, monkeypatch, has_deficits):
    def brightness(recognizer, images) -> PixelQuality:
        gray = jnp.asarray(images, jnp.float32).mean(-1) / 255
        return PixelQuality(gray.mean((1, 2)), jnp.asarray(images, jnp.float32), gray, gray if has_deficits else None)

    methods = {name: dataclasses.replace(method, compute=brightness) for name, method in MAP_METHODS.items()}
    monkeypatch.setattr("pfiq_jax.cli.sheet.MAP_METHODS", methods)
    result = run("sheet", Path(photos[0]).parent)
    assert "6 faces -> sheet.png" in result.stdout
    assert result.stderr.count(NOT_CALIBRATED) == (not has_deficits)
    with Image.open("sheet.png") as picture:
        inches = 1.25 * (3 if has_deficits else 2) + 0.4 + 0.5 + 0.9
        assert picture.height == pytest.approx(150 * inches, abs=1)
