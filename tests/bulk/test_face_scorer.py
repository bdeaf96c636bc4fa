import dataclasses
import io
import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest
from PIL import Image

from pfiq_jax import FaceScorer, PfiqError, face_quality, pixel_quality
from pfiq_jax.faces import DEMO_FACE, read_image

ADDED = {"quality", "raw_quality", "status", "error", "warning"}


@pytest.fixture(scope="module")
def demo() -> np.ndarray:
    return read_image(DEMO_FACE)


@pytest.fixture(scope="module")
def scorer() -> FaceScorer:
    return FaceScorer(batch_size=2)


def test_bytes_paths_and_pixels_are_scored_alike(scorer, demo, recognizer):
    data = DEMO_FACE.read_bytes()
    entries = [{"bytes": data, "path": None}, {"bytes": None, "path": str(DEMO_FACE)}]
    images = [data, DEMO_FACE, str(DEMO_FACE), np.str_(DEMO_FACE), demo, *entries]
    scored = scorer({"image": images})
    np.testing.assert_allclose(scored["quality"], face_quality(recognizer, demo), rtol=1e-5)
    assert scored["status"].tolist() == ["scored"] * len(images)
    assert set(scored["error"]) == {""}


def test_what_cannot_be_scored_is_a_row(scorer, demo):
    bad = {
        b"": "image 1: is empty",
        b"no image": "image 2: is damaged",
        None: "image 3: has the type NoneType; give the bytes of a file",
        5: "image 4: has the type int",
        "none.png": "none.png: no such file",
    }
    scored = scorer({"image": [demo, *bad, demo[..., 0], demo], "id": list(range(8))})
    assert scored["id"] == list(range(8))
    assert scored["status"].tolist() == ["scored", *["failed"] * 6, "scored"]
    reasons = ["", *bad.values(), "image 6: is an array of uint8 (112, 112)", ""]
    for error, reason in zip(scored["error"], reasons, strict=True):
        assert error.startswith(reason)
        assert bool(error) == bool(reason)
    for column in ("quality", "raw_quality"):
        assert np.isnan(scored[column]).tolist() == [bool(error) for error in scored["error"]]


def test_photographs_of_several_sizes(scorer, demo):
    """The largest face of each, and a crop as it is."""
    photo = np.full((300, 260, 3), 128, np.uint8)
    photo[60:172, 70:182] = demo
    buffer = io.BytesIO()
    Image.fromarray(photo).resize((520, 600)).save(buffer, "png")
    images = np.empty(4, object)
    images[:] = [photo, buffer.getvalue(), demo, np.zeros((200, 300, 3), np.uint8)]
    scored = scorer({"image": images})
    assert scored["status"].tolist() == ["scored", "scored", "scored", "failed"]
    assert scored["error"][3].startswith("image 3: no face was found")
    assert FaceScorer(detect="none", batch_size=2)({"image": images})["status"].tolist() == ["scored"] * 4


def test_an_empty_batch_has_the_same_columns(scorer, demo):
    full = scorer({"image": demo[None], "id": [1]})
    for images in ([], np.zeros((0, 112, 112, 3), np.uint8)):
        scored = scorer({"image": images, "id": []})
        assert scored.keys() == full.keys() == ADDED | {"image", "id"}
        for name in ADDED:
            assert len(scored[name]) == 0
            assert scored[name].dtype.kind == full[name].dtype.kind


def test_settings_are_pickled_and_nothing_else(scorer, demo):
    scorer({"image": [demo]})
    for library in (pickle, cloudpickle):
        data = library.dumps(scorer)
        assert len(data) < 1000
        again = pickle.loads(data)
        assert vars(again) == {name: value for name, value in vars(scorer).items() if name != "_loaded"}


def test_it_is_made_without_starting_jax():
    """The process that hands it out has perhaps no accelerator, and cannot read the workers' weights."""
    code = (
        "import pickle, jax, pfiq_jax; pickle.dumps(pfiq_jax.FaceScorer('/nowhere/weights.safetensors', maps=True));"
        "from jax._src import xla_bridge; assert not xla_bridge.backends_are_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("settings", [{"quality": "x"}, {"detect": "all"}])
def test_settings_are_checked_at_once(settings):
    with pytest.raises(PfiqError, match=f"{next(iter(settings))} is '"):
        FaceScorer(**settings)


def test_its_own_column_and_weights(tmp_path, recognizer, demo):
    dataclasses.replace(recognizer, calibrations={}).save(tmp_path / "own.safetensors")
    scorer = FaceScorer(tmp_path / "own.safetensors", quality="magface", column="face", batch_size=2)
    scored = scorer({"face": [demo]})
    assert np.isnan(scored["quality"]).all()  # it has no scale
    assert scored["raw_quality"] > 1
    with pytest.raises(KeyError, match="face"):
        scorer({"image": [demo]})


@pytest.mark.slow
def test_maps(demo, recognizer):
    scored = FaceScorer(maps=True, batch_size=2)({"image": [b"", demo]})
    expected = pixel_quality(recognizer, demo)
    for name in ("map", "deficit"):
        assert scored[name].shape == (2, 112, 112)
        assert scored[name].dtype == np.float32
        assert np.isnan(scored[name][0]).all()
        np.testing.assert_allclose(scored[name][1], getattr(expected, name), atol=1e-3)
    assert scored["quality"][1] == pytest.approx(float(expected.quality), rel=1e-4)
