"""All measures of maps, on a recogniser whose embedding is the image."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pfiq_jax
from pfiq_jax import PfiqError, PixelQuality, Preprocessing, Recognizer
from pfiq_jax.evaluation.bootstrap import mean_estimates
from pfiq_jax.evaluation.controls import DETAIL, MEAN_MAP, RANDOM, SHUFFLED
from pfiq_jax.evaluation.estimate import json_of
from pfiq_jax.evaluation.maps.covers import COVERS
from pfiq_jax.evaluation.maps.evaluate_maps import evaluate_maps, passes_per_face
from pfiq_jax.evaluation.maps.map_measures import MAP_MEASURES
from pfiq_jax.evaluation.maps.pictures import plot_maps
from pfiq_jax.evaluation.maps.report import maps_table
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS, MapMethod

SIZE = 28
FACES = 6


def images_with_specks(count: int) -> np.ndarray:
    """Grey, with a tenth of the pixels in any colour: other pixels in each image."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    images[generator.random(images.shape[:3]) < 0.9] = 128
    return images


def specks(recognizer, images) -> PixelQuality:
    """A map of what a blur takes away, by the recogniser's scale: about the perfect one."""
    pixels = recognizer.features(images)
    away = jax.nn.relu(jnp.sum(jnp.abs(pixels - 128), -1) / 384 - 0.1)
    return PixelQuality(jnp.mean(away, (1, 2)), pixels, away)


def opposite(recognizer, images) -> PixelQuality:
    """The reversed order, with a deficit that is right."""
    found = specks(recognizer, images)
    return PixelQuality(found.quality, found.gradient, 1 - found.map, 1 - found.map)


METHODS = {
    "learned_order": MapMethod(specks, "the perfect map", 2, 1),
    "opposite": MapMethod(opposite, "its opposite", 1),
}
ROWS = [*METHODS, RANDOM, MEAN_MAP, DETAIL, SHUFFLED]
COVER_MEASURES = [f"{measure}_{kind}" for measure in ("ppt", "localisation") for kind in COVERS]


@pytest.fixture(scope="module")
def pixels() -> Recognizer:
    return Recognizer.from_functions(
        lambda parameters, images: images * jnp.sum(parameters["trunk"] * parameters["trunk"][::-1]),
        lambda parameters, features: features.reshape(len(features), -1),
        {"trunk": np.array([1, 0, 0, 0.5], np.float32), "head": np.ones(3, np.float32)},
        preprocessing=Preprocessing(size=(SIZE, SIZE)),
    )


@pytest.fixture(scope="module")
def evaluation(pixels):
    passed, default = [], METHODS["learned_order"]
    evaluation = evaluate_maps(
        pixels, images_with_specks(FACES), METHODS, default, resamples=100, advance=passed.append
    )
    assert sum(passed) == passes_per_face(METHODS, default) * FACES
    return evaluation


def value(evaluation, method, measure) -> float:
    return evaluation.estimates[method][measure].value


def test_headlines_are_areas_under_the_curves(evaluation):
    for row in ROWS[:-1]:
        for name, of_rows in evaluation.curves.items():
            assert value(evaluation, row, name) == pytest.approx(of_rows[row].similarity[1::2].mean(), abs=1e-6)


def test_a_perfect_map_leads_and_the_opposite_one_trails(evaluation):
    for curve in ("insertion", "deletion"):
        for lead in (f"{curve}_lead", f"{curve}_lead_over_mean_map"):
            estimate = evaluation.estimates["learned_order"][lead]
            assert estimate.low <= estimate.value <= estimate.high
        assert value(evaluation, "learned_order", f"{curve}_lead") > 0 > value(evaluation, "opposite", f"{curve}_lead")
        np.testing.assert_allclose(evaluation.estimates["learned_order"][f"{curve}_share"], 1, rtol=1e-12)
        share = value(evaluation, "opposite", f"{curve}_lead_over_mean_map")
        share /= value(evaluation, "learned_order", f"{curve}_lead_over_mean_map")
        assert value(evaluation, "opposite", f"{curve}_share") == pytest.approx(share)


def test_maps_that_do_not_look_at_the_face_score_half(evaluation):
    for row in (RANDOM, MEAN_MAP):
        for measure in ("ppt", *(f"ppt_{kind}" for kind in COVERS)):
            assert evaluation.estimates[row][measure] == (0.5, 0.5, 0.5)


def test_places_of_blur_are_low_in_the_perfect_map_and_high_in_the_opposite(evaluation):
    assert value(evaluation, "learned_order", "ppt_blur") > 0.9
    assert value(evaluation, "opposite", "ppt_blur") < 0.1
    for kind in ("blur", "noise"):  # by the deficit, which is right, although the map is not
        found = value(evaluation, "opposite", f"localisation_{kind}")
        assert found == pytest.approx(value(evaluation, "learned_order", f"localisation_{kind}"), abs=1e-6)


def test_controls_lack_what_means_nothing_for_them(evaluation):
    every = [measure.name for measure in MAP_MEASURES]
    assert list(evaluation.estimates) == ROWS
    assert list(evaluation.estimates["opposite"]) == every
    assert list(evaluation.estimates[DETAIL]) == every
    own = ("share", "over_mean_map", "mean_map_r2", "noise", "follows_score")  # of methods that depend on the face
    for row, lacking in ((RANDOM, (*own, "lead")), (MEAN_MAP, own)):
        wanted = [name for name in every if name in COVER_MEASURES or not name.endswith(lacking)]
        assert list(evaluation.estimates[row]) == wanted
    assert list(evaluation.estimates[SHUFFLED]) == [name for name in every if name.startswith("ppt")]
    assert evaluation.estimates[SHUFFLED]["ppt"] == (0.5, 0.5, 0.5)  # all weights are 0: a map without an order
    assert SHUFFLED not in evaluation.clean


def test_the_mean_of_the_map_follows_the_score(evaluation):
    for row in (*METHODS, DETAIL):
        assert -1 <= value(evaluation, row, "follows_score") <= 1
    assert value(evaluation, "opposite", "follows_score") == pytest.approx(
        -value(evaluation, "learned_order", "follows_score")
    )


def test_too_few_faces(pixels):
    with pytest.raises(PfiqError, match="1 faces are too few"):
        evaluate_maps(pixels, images_with_specks(1), METHODS, METHODS["opposite"])


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
    assert text.startswith("6 faces, one of each person. In brackets: ")
    assert "|  | ppt + | ppt_foreign + | localisation + |" in text
    for measure in MAP_MEASURES:
        assert f" {measure.title} |" in text
        assert f"- {measure.name}: {measure.definition}\n" in text
    of_method = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| opposite | ")]
    assert len(of_method) == 5
    assert of_method[0].startswith(f"{value(evaluation, 'opposite', 'ppt'):.3f} [")
    report = json.loads(json.dumps(json_of("opposite", evaluation.estimates), allow_nan=False))
    assert list(report) == ["default", "methods"]
    assert report["default"] == "opposite"
    assert list(report["methods"]) == ROWS
    assert report["methods"]["opposite"]["insertion"] == evaluation.estimates["opposite"]["insertion"]._asdict()


def test_the_picture_shows_curves_covers_maps_and_deficits(evaluation):
    figure = plot_maps(evaluation, images_with_specks(FACES))
    above, below = figure.subfigs
    curves = above.axes[0].get_lines()
    assert [line.get_label() for line in curves] == ROWS[:-1]
    np.testing.assert_allclose(
        curves[0].get_ydata(), evaluation.curves["insertion"]["learned_order"].similarity.mean(1)
    )
    assert [axes.get_legend() is not None for axes in above.axes] == [False, True]
    columns = 1 + len(COVERS)
    sheet = below.subfigs[0].axes
    tiles = [axes.get_images()[-1] for axes in sheet]
    assert len(tiles) == 3 * 4 * columns  # of three faces: the face, two maps and one deficit
    assert [axes.get_title() for axes in sheet[:columns]] == ["clean", *COVERS]
    labels = [sheet[row * columns].get_ylabel() for row in range(4)]
    assert labels == ["", "learned\norder\nmap", "opposite\nmap", "opposite\ndeficit"]
    assert [tiles[row * columns].get_cmap().name for row in (1, 2, 3)] == ["cividis", "cividis", "magma"]
    np.testing.assert_array_equal(tiles[columns].get_array(), evaluation.clean["learned_order"].map[0])
    of_noise = evaluation.covered["noise"].explained["opposite"].deficit[2]
    np.testing.assert_array_equal(tiles[(2 * 4 + 3) * columns + 1 + list(COVERS).index("noise")].get_array(), of_noise)


@pytest.mark.slow
def test_the_library_s_map_beats_the_controls_on_the_bundled_network(recognizer):
    face = pfiq_jax.demo_face()
    images = np.stack([face, face[:, ::-1], np.roll(face, 4, 0)])
    default = MAP_METHODS[DEFAULT_MAP_METHOD]
    evaluation = evaluate_maps(recognizer, images, {"default": default}, default, resamples=100)
    assert value(evaluation, "default", "ppt") > 0.6
    for lead in ("insertion_lead", "deletion_lead"):
        assert value(evaluation, "default", lead) > 0.05
    assert value(evaluation, "default", "noise") > 0.5
