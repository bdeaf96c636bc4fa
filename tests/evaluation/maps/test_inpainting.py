"""Occluded faces restored from other faces."""

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.maps.inpainting import (
    INPAINTING_MEASURES,
    STATES,
    evaluate_inpainting,
    inpaint,
    smooth_fill,
)
from pfiq_jax.evaluation.maps.occlusions import OCCLUSIONS, occlude
from pfiq_jax.evaluation.maps.pictures import plot_inpainting
from pfiq_jax.evaluation.maps.report import inpainting_table, json_of_rows

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(60, 256, (7, 40, 40, 3), np.uint8)


def test_a_smooth_fill_is_exact_on_a_plane():
    rows, columns = np.mgrid[:20, :30].astype(np.float64)
    plane = np.stack([rows, 2 * columns - rows], -1)
    region = np.zeros((20, 30), bool)
    region[5:15, 10:20] = region[3, 3] = True
    np.testing.assert_allclose(smooth_fill(np.where(region[..., None], -99, plane), region), plane, atol=1e-9)
    np.testing.assert_array_equal(smooth_fill(plane, np.zeros_like(region)), plane)


def test_a_smooth_fill_at_the_border_takes_what_there_is():
    image = np.zeros((4, 6, 1))
    image[:, 3:] = 8
    region = np.zeros((4, 6), bool)
    region[:, 4:] = True
    np.testing.assert_allclose(smooth_fill(np.where(region[..., None], 99, image), region), image)


def faces_of_few_kinds(count: int) -> np.ndarray:
    """Faces that are mixtures of three, so that a part of one determines the rest."""
    generator = np.random.default_rng(1)
    shares = generator.dirichlet(np.ones(3), count)
    return np.rint(np.einsum("fk,khwc->fhwc", shares, IMAGES[:3])).astype(np.uint8)


@pytest.mark.parametrize("examples", [100, 8])
def test_inpainting_restores_what_other_faces_determine(monkeypatch, examples):
    monkeypatch.setattr("pfiq_jax.evaluation.maps.inpainting.EXAMPLES", examples)
    faces = faces_of_few_kinds(12)
    regions = np.zeros(faces.shape[:3], bool)
    regions[:, 10:25, 20:] = True
    restored = inpaint(np.where(regions[..., None], np.uint8(0), faces), regions, faces)
    np.testing.assert_array_equal(restored[~regions], faces[~regions])
    error, spread = (np.abs(x - faces.astype(float))[regions].mean() for x in (restored, faces.mean(0)))
    assert error < 0.3 * spread
    assert restored.dtype == np.uint8


def test_inpainting_does_not_look_at_the_clean_face():
    faces = faces_of_few_kinds(6)
    regions = np.zeros(faces.shape[:3], bool)
    regions[:, 10:20, 10:20] = True
    other = faces.copy()
    other[0] = 0
    np.testing.assert_array_equal(inpaint(faces, regions, faces)[0], inpaint(faces, regions, other)[0])


def test_inpainting_from_faces_all_alike():
    alike = np.repeat(IMAGES[:1], 3, 0)
    regions = np.zeros(alike.shape[:3], bool)
    regions[:, 5:10, 5:10] = True
    np.testing.assert_array_equal(inpaint(np.where(regions[..., None], np.uint8(0), alike), regions, alike), alike)


def test_nothing_to_inpaint_from():
    everything = np.ones(IMAGES.shape[:3], bool)
    with pytest.raises(PfiqError, match="covers its whole image"):
        inpaint(IMAGES, everything, IMAGES)
    with pytest.raises(PfiqError, match="there is only one; give two or more"):
        inpaint(IMAGES[:1], ~everything[:1], IMAGES[:1])


@pytest.fixture(scope="module")
def evaluation(small, brightness):
    done = []
    evaluation = evaluate_inpainting(small, IMAGES, brightness, advance=done.append)
    assert done == [1, 1, 1]
    return evaluation


def test_states_are_the_face_occluded_and_restored(evaluation):
    occluded = occlude(0, IMAGES)
    assert tuple(evaluation.images) == tuple(evaluation.explained) == STATES
    assert evaluation.kinds == occluded.kinds
    np.testing.assert_array_equal(evaluation.images["clean"], IMAGES)
    np.testing.assert_array_equal(evaluation.images["occluded"], occluded.images)
    restored = inpaint(occluded.images, occluded.regions, IMAGES)
    np.testing.assert_array_equal(evaluation.images["restored"], restored)


def test_estimates_are_means_over_all_faces_and_over_those_of_each_occlusion(evaluation):
    assert list(evaluation.estimates) == ["all", *OCCLUSIONS]
    qualities = {state: evaluation.explained[state].quality for state in STATES}
    gain = qualities["restored"] - qualities["occluded"]
    kinds = np.array(evaluation.kinds)
    for row, chosen in {"all": kinds != "", **{kind: kinds == kind for kind in OCCLUSIONS}}.items():
        estimates = {name: estimate.value for name, estimate in evaluation.estimates[row].items()}
        assert list(estimates) == [measure.name for measure in INPAINTING_MEASURES]
        for state in STATES:
            assert estimates[f"quality_{state}"] == pytest.approx(qualities[state][chosen].mean(), rel=1e-6)
        assert estimates["quality_gain"] == pytest.approx(gain[chosen].mean(), rel=1e-6)
        assert estimates["quality_gained"] == (gain[chosen] > 0).mean()
    of_all = {name: estimate.value for name, estimate in evaluation.estimates["all"].items()}
    regions = occlude(0, IMAGES).regions
    clean = [image[region].mean() / 255 for image, region in zip(IMAGES, regions, strict=True)]
    assert of_all["inside_clean"] == pytest.approx(np.mean(clean), rel=1e-5)
    assert of_all["inside_gain"] == pytest.approx(of_all["inside_restored"] - of_all["inside_occluded"], rel=1e-5)


def test_two_faces_have_rows_of_their_occlusions_alone(small, brightness):
    assert list(evaluate_inpainting(small, IMAGES[:2], brightness).estimates) == ["all", *OCCLUSIONS[:2]]


def test_report(evaluation):
    text = inpainting_table(evaluation, "bright")
    assert text.startswith("7 faces, one of each person; map: bright. In brackets")
    assert "| scarf | 0." in text
    report = json_of_rows("bright", evaluation.estimates)["methods"]["bright"]
    assert report["inside_gain_hand"] == evaluation.estimates["hand"]["inside_gain"]._asdict()
    axes = plot_inpainting(evaluation, "bright").axes
    for column, state in enumerate(STATES):
        assert axes[column].get_title() == f"{state}\n{evaluation.explained[state].quality[0]:.3f}"
        np.testing.assert_array_equal(axes[column].images[0].get_array(), evaluation.images[state][0])
