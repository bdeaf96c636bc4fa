"""All figures of maps, on a recogniser whose embedding is the image."""

import json
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import pfiq_jax
from pfiq_jax import PfiqError, PixelQuality, Preprocessing, Recognizer
from pfiq_jax.evaluation.bootstrap import mean_estimates
from pfiq_jax.evaluation.controls import RANDOM
from pfiq_jax.evaluation.estimate import json_of
from pfiq_jax.evaluation.maps.evaluate_maps import MAP_MEASURES, PASSES, evaluate_maps
from pfiq_jax.evaluation.maps.report import maps_table, plot_maps
from pfiq_jax.evaluation.maps.sanity import rank_correlation
from pfiq_jax.evaluation.scores.comparisons import FMR
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS

SIZE = 20


def images_with_specks(count: int) -> np.ndarray:
    images = np.full((count, SIZE, SIZE, 3), 128, np.uint8)
    images[:, ::4, ::4] = np.random.default_rng(0).integers(0, 256, (count, SIZE // 4, SIZE // 4, 3))
    return images


def specks(recognizer, images, *, sign: int = 1) -> PixelQuality:
    """A map of what a blur takes away, by the recogniser's scale: about the perfect one."""
    pixels = recognizer.features(images)
    away = sign * jnp.sum(jnp.abs(pixels - 128), -1)
    return PixelQuality(jnp.mean(away, (1, 2)), pixels, away)


METHODS = {"plq": specks, "opposite": partial(specks, sign=-1), "better": specks}


@pytest.fixture(scope="module")
def pixels() -> Recognizer:
    return Recognizer.from_functions(
        lambda parameters, images: images * jnp.sum(parameters["trunk"] * parameters["trunk"][::-1]),
        lambda parameters, features: features.reshape(len(features), -1),
        {"trunk": np.array([1, 0, 0, 1], np.float32), "head": np.ones(3, np.float32)},
        preprocessing=Preprocessing(size=(SIZE, SIZE)),
    )


@pytest.fixture(scope="module")
def evaluation(pixels):
    passed = []
    evaluation = evaluate_maps(pixels, images_with_specks(6), METHODS, resamples=100, advance=passed.append)
    assert sum(passed) == PASSES * 6 * (len(METHODS) + 1)
    return evaluation


def value(evaluation, method, measure) -> float:
    return evaluation.estimates[method][measure].value


def test_headlines_are_areas_under_the_curves(evaluation):
    for method in (*METHODS, RANDOM):
        for name, curve in (("insertion", evaluation.insertion[method]), ("deletion", evaluation.deletion[method])):
            area = curve.similarity[1::2].mean()
            assert value(evaluation, method, name) == pytest.approx(area, abs=1e-6)
            assert value(evaluation, method, f"{name}_score") == pytest.approx(curve.score[1::2].mean(), abs=1e-6)
            lost = (curve.similarity[1::2] < evaluation.threshold).mean()
            assert value(evaluation, method, f"{name}_fnmr") == pytest.approx(lost)


def test_a_perfect_map_leads_and_the_opposite_one_trails(evaluation):
    for lead in ("insertion_lead", "deletion_lead"):
        assert value(evaluation, "plq", lead) > 0 > value(evaluation, "opposite", lead)
        estimate = evaluation.estimates["plq"][lead]
        assert estimate.low <= estimate.value <= estimate.high
        assert lead not in evaluation.estimates[RANDOM]


def test_resamples_are_shared(evaluation):
    """Equal methods have a ratio of one without any interval."""
    for ratio in ("insertion_lead_ratio", "deletion_lead_ratio"):
        for method in ("plq", "better"):
            np.testing.assert_allclose(evaluation.estimates[method][ratio], 1, rtol=1e-12)
        assert value(evaluation, "opposite", ratio) < 0


def test_the_reversed_order_is_the_opposite_map_s(evaluation):
    assert value(evaluation, "plq", "insertion_reversed") == pytest.approx(value(evaluation, "plq", "deletion"))
    for name in ("insertion", "deletion"):
        # but for ties, which come in reading order either way
        assert value(evaluation, "plq", f"{name}_reversed") == pytest.approx(
            value(evaluation, "opposite", name), abs=0.02
        )


def test_sanity_measures(evaluation):
    assert np.isnan(value(evaluation, "plq", "randomized_weights"))  # all shuffled to 0: a map without an order
    maps = evaluation.maps["plq"]
    floor = rank_correlation(maps, np.roll(maps, 1, 0)).mean()
    assert value(evaluation, "plq", "other_face") == pytest.approx(floor)
    assert 0 < value(evaluation, "plq", "noise") < 1
    assert "noise" not in evaluation.estimates[RANDOM]


def test_few_pairs_are_warned_of(evaluation):
    assert "15 non-mated pairs are few for a false match rate of 0.001" in evaluation.warning


def test_no_ratio_without_the_published_map_or_without_its_lead(pixels):
    images = images_with_specks(3)
    alone = evaluate_maps(pixels, images, {"better": specks}, resamples=5)
    assert "insertion_lead_ratio" not in alone.estimates["better"]
    behind = evaluate_maps(pixels, images, {"plq": METHODS["opposite"], "better": specks}, resamples=5)
    assert np.isnan(behind.estimates["better"]["insertion_lead_ratio"]).all()


def test_too_few_faces(pixels):
    with pytest.raises(PfiqError, match="1 faces are too few"):
        evaluate_maps(pixels, images_with_specks(1), METHODS)


def test_mean_estimates_are_means_with_intervals():
    values = np.random.default_rng(0).normal(3, 2, 400)
    estimates = mean_estimates({"a": values, "b": values > 3, "c": np.array([*values[1:], np.nan])})
    error = values.std() / 20
    assert estimates["a"].value == pytest.approx(values.mean())
    assert estimates["a"].low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert estimates["a"].high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert estimates["b"].value == (values > 3).mean()
    assert np.isnan(estimates["c"]).all()
    np.testing.assert_allclose(mean_estimates({"a": values}, seed=0)["a"], estimates["a"], rtol=1e-12)
    assert mean_estimates({"a": values}, seed=1)["a"].low != estimates["a"].low


def test_table_json_and_picture(evaluation):
    text = maps_table(evaluation)
    assert "|  | insertion + | deletion - |" in text
    assert "| other_face | noise + |" in text
    for measure in MAP_MEASURES:
        assert f" {measure.title} |" in text
        assert f"- {measure.name}: {measure.definition}\n" in text
    of_plq = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| plq | ")]
    assert len(of_plq) == 4
    assert of_plq[0].startswith(f"{value(evaluation, 'plq', 'insertion'):.3f} [")
    assert f"FMR {FMR:g}" in text
    assert text.endswith(f"Warning: {evaluation.warning}\n")
    report = json.loads(json.dumps(json_of("plq", evaluation.estimates), allow_nan=False))
    assert list(report) == ["default", "methods"]
    assert report["default"] == "plq"
    assert list(report["methods"]) == [*METHODS, RANDOM]
    assert list(report["methods"]["plq"]) == [measure.name for measure in MAP_MEASURES]
    assert report["methods"]["plq"]["insertion"] == evaluation.estimates["plq"]["insertion"]._asdict()
    assert report["methods"]["plq"]["randomized_weights"] == {"value": None, "low": None, "high": None}
    figure = plot_maps(evaluation, images_with_specks(6))
    curves = figure.subfigs[0].axes[0].get_lines()
    assert [line.get_label() for line in curves] == list(evaluation.insertion)
    np.testing.assert_allclose(curves[0].get_ydata(), evaluation.insertion["plq"].similarity.mean(1))


@pytest.mark.slow
def test_the_library_s_maps_lead_random_orders_on_the_bundled_network(recognizer):
    with Image.open(Path(pfiq_jax.__file__).parent / "bundled/demo_face.png") as image:
        face = np.asarray(image.convert("RGB"))
    images = np.stack([face, face[:, ::-1], np.roll(face, 4, 0)])
    evaluation = evaluate_maps(
        recognizer, images, {name: MAP_METHODS[name].compute for name in ("plq", DEFAULT_MAP_METHOD)}
    )
    for name in ("plq", DEFAULT_MAP_METHOD):
        for lead in ("insertion_lead", "deletion_lead"):
            assert value(evaluation, name, lead) > 0.05
        assert value(evaluation, name, "noise") > 0.5
    assert value(evaluation, DEFAULT_MAP_METHOD, "deletion_lead_ratio") > 1
