"""Heads fitted to forward passes that are made up, so that no trunk runs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy.stats import spearmanr

from pfiq_jax import (
    Forward,
    MobileFaceNet,
    PfiqError,
    Recognizer,
    face_quality,
    learned,
    load_recognizer,
    relative_norm,
)
from pfiq_jax.adapting import fit_quality_head, quality_head
from pfiq_jax.adapting.quality_head import (
    PENALTIES,
    TARGETS,
    folds_over_people,
    mate_targets,
    mated_area,
    mated_errors,
    person_weights,
)
from pfiq_jax.evaluation import compare_all_pairs
from pfiq_jax.learned_head import LearnedHead
from pfiq_jax.quality.learned import head_inputs

PEOPLE, EACH, UNITS = 60, 4, 6


@pytest.fixture(scope="module")
def seen() -> Forward:
    """Faces that turn from their person's direction by an angle, whose cosine is their third unit."""
    generator = np.random.default_rng(0)
    count = PEOPLE * EACH
    cosine = generator.uniform(0.3, 1, (count, 1))
    directions, _ = np.linalg.qr(generator.standard_normal((PEOPLE + count, PEOPLE + count)))
    own = directions[:PEOPLE].repeat(EACH, 0)
    embedding = cosine * own + np.sqrt(1 - cosine**2) * directions[PEOPLE:]
    units = generator.uniform(0.5, 1, (count, 1, 1, UNITS))
    units[..., 2] = cosine[:, None]
    empty = np.zeros((count, 1, 1, 3))
    return Forward(*map(np.float32, (empty, empty, units, 5 * embedding)))


@pytest.fixture(scope="module")
def people() -> np.ndarray:
    return np.arange(PEOPLE).repeat(EACH)


@pytest.fixture(scope="module")
def fitted(small, seen, people) -> Recognizer:
    return fit_quality_head(small, seen, people, reference="made up")


def test_targets_by_hand():
    """Ann at 0 and 60 degrees, bob at 90 degrees twice, cat alone at 180 degrees; lengths do not count."""
    angles = np.deg2rad([0, 60, 90, 90, 180])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], 1) * np.array([[1], [2], [3], [4], [5]])
    mated, ratio = mate_targets(embeddings, np.array([0, 0, 1, 1, 2])).T
    np.testing.assert_allclose(mated, [0.5, 0.5, 1, 1, np.nan], atol=1e-12)
    # ann's own centre without the face is the other face; the nearest other person is bob for her, and ann (at 30
    # degrees) for bob
    nearest = np.array([0, np.cos(np.pi / 6), 0.5, 0.5])
    np.testing.assert_allclose(ratio[:4], np.array([0.5, 0.5, 1, 1]) / (1 + nearest), rtol=1e-6)
    assert np.isnan(ratio[4])


def test_all_faces_of_a_person_are_in_one_fold(people):
    generator = np.random.default_rng(0)
    people = np.concatenate([people, generator.integers(0, 200, 500)])
    folds = folds_over_people(people)
    for person in np.unique(people):
        assert len(np.unique(folds[people == person])) == 1
    counts = np.bincount(folds)
    assert len(counts) == 5
    assert counts.max() < 1.2 * counts.min()


def test_scores_of_a_fold_do_not_depend_on_its_people(seen, people):
    """Neither on how similar their faces are: a head is fitted to the other folds alone."""
    inputs, embeddings = (np.float64(part.reshape(len(people), -1)) for part in (seen.units, seen.embedding))
    folds = folds_over_people(people)
    inside = folds == 2
    other = np.where(inside[:, None], np.roll(embeddings, 1, 1) ** 3, embeddings)
    before, after = (quality_head._left_out_scores(inputs, each, people) for each in (embeddings, other))
    for choice, scores in before.items():
        np.testing.assert_array_equal(after[choice][inside], scores[inside])
        assert (after[choice][~inside] != scores[~inside]).all()


def test_kernels_are_the_ridge_regression(seen, people):
    """By its normal equations, with an input that never changes and people with unlike numbers of faces."""
    kept = np.arange(len(people)) % 4 < people % 4 + 1
    people = people[kept]
    inputs, embeddings = (np.float64(part.reshape(len(kept), -1))[kept] for part in (seen.units, seen.embedding))
    inputs[:, 4] = 7
    kernels, biases = quality_head._fit(inputs, embeddings, people)
    np.testing.assert_allclose(kernels[..., 4], 0, atol=1e-12)
    paired = people % 4 > 0
    weights = 1 / np.bincount(people)[people[paired]]
    weights /= weights.sum()
    targets = mate_targets(embeddings, people)[paired]
    spread = np.sqrt(np.average((inputs[paired] - np.average(inputs[paired], 0, weights)) ** 2, 0, weights))
    penalised = spread**2 * (np.arange(UNITS) < UNITS - 1)  # not the last one
    for row, column in np.ndindex(len(TARGETS), len(PENALTIES)):
        errors = inputs[paired] @ kernels[row, column] + biases[row, column] - targets[:, row]
        assert weights @ errors == pytest.approx(0, abs=1e-9)
        slope = (weights * errors) @ inputs[paired] + PENALTIES[column] * penalised * kernels[row, column]
        np.testing.assert_allclose(slope, 0, atol=1e-9)


def test_area_by_hand():
    """Ann has three comparisons, of which one is an error, and three people have one each. Each person counts once.

    Her first and third face (60 degrees) are less similar than her third and another person's first (55 degrees).
    Without the third face, 2/12 of the comparisons are gone, and the error. Without the second, it is one of 10/12.
    """
    angles = np.deg2rad([0, 10, 60, 115, 116, 180, 181, 250, 251])
    comparisons = compare_all_pairs(np.stack([np.cos(angles), np.sin(angles)], 1), [0, 0, 0, 1, 1, 2, 2, 3, 3])
    helpful, harmful = (np.where(np.arange(9) == worst, 0.0, 1.0) for worst in (2, 1))
    errors, weights = mated_errors(comparisons), person_weights(comparisons)
    areas = [mated_area(comparisons, errors, weights, scores) for scores in (helpful, harmful)]
    assert areas[0] == pytest.approx((2 / 12) / 0.3, rel=1e-4)
    assert areas[1] == pytest.approx((2 / 12 + (0.3 - 2 / 12) * 1.2) / 0.3, rel=1e-4)


def test_a_known_head_is_found(fitted, seen):
    head, cosine = fitted.learned_head, seen.units[:, 0, 0, 2]
    assert len(head.kernel) == UNITS + 2
    assert np.argmax(np.abs(head.kernel[:UNITS])) == 2
    assert spearmanr(learned(fitted, seen), cosine)[0] > 0.9
    assert abs(spearmanr(relative_norm(fitted, seen), cosine)[0]) < 0.6
    assert head.reference.startswith("made up, 240 faces of 60 people; ")


def test_scores_are_linear_in_the_inputs(fitted, seen):
    head = fitted.learned_head
    inputs = np.concatenate(
        [
            seen.units.mean((1, 2)),
            np.log(np.linalg.norm(seen.embedding, axis=1))[:, None],
            np.log(np.linalg.norm(seen.embedding, axis=1) / np.abs(seen.units.mean((1, 2))).mean(1))[:, None],
        ],
        1,
    )
    np.testing.assert_allclose(head_inputs(fitted, seen), inputs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(learned(fitted, seen), inputs @ head.kernel + head.bias, rtol=1e-4, atol=1e-5)


def test_the_scale_spreads_faces_of_left_out_people(fitted, seen, small):
    qualities = np.asarray(face_quality(fitted, seen, method="learned"))
    assert 0.4 < np.mean(qualities < 0.5) < 0.6
    assert qualities.std() > 0.2
    assert fitted.calibrations.keys() == {*small.calibrations, "learned"}


def test_transformations(fitted, seen):
    part = jax.tree.map(lambda leaf: jnp.asarray(leaf[:3]), seen)
    expected = learned(fitted, part)
    np.testing.assert_allclose(jax.jit(learned)(fitted, part), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(functools.partial(learned, fitted))(part), expected, rtol=1e-5)
    slopes = jax.grad(lambda part: jnp.sum(learned(fitted, part)))(part._replace(embedding=0 * part.embedding))
    assert all(jnp.isfinite(leaf).all() for leaf in slopes)
    assert jnp.abs(slopes.units).max() > 0


def test_equal_faces_give_equal_bytes(small, fitted, seen, people):
    again = fit_quality_head(small, seen, [f"person {index:02}" for index in people], reference="made up")
    assert jax.tree.structure(again) == jax.tree.structure(fitted)
    for leaf, expected in zip(*map(jax.tree.leaves, (again, fitted)), strict=True):
        assert np.asarray(leaf).tobytes() == np.asarray(expected).tobytes()


def test_a_head_is_saved_with_the_weights(random_parameters, tmp_path):
    head = LearnedHead(np.linspace(0, 1, 514, dtype=np.float32), np.float32([0.1]), "made up")
    network = Recognizer(random_parameters(MobileFaceNet()), MobileFaceNet(), learned_head=head)
    network.save(tmp_path / "a.safetensors")
    again = load_recognizer(tmp_path / "a.safetensors")
    assert jax.tree.structure(again) == jax.tree.structure(network)
    jax.tree.map(np.testing.assert_array_equal, again.learned_head, head)
    assert again.learned_head.reference == "made up"
    arrays = load_file(tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "numpy") as file:
        metadata = file.metadata()
    del arrays["learned_head.bias"]
    save_file(arrays, tmp_path / "b.safetensors", metadata)
    with pytest.raises(PfiqError, match=r"b\.safetensors: its arrays of the learned head are .* `fit_quality_head`"):
        load_recognizer(tmp_path / "b.safetensors")


def test_files_without_a_head_are_read(recognizer):
    """The bundled file is older than learned heads."""
    assert recognizer.learned_head is None


def test_bad_input_is_one_sentence(small, fitted, seen, people):
    with pytest.raises(
        PfiqError, match=r"^identities: 49 people have two faces or more; give 50 such people or more\.$"
    ):
        fit_quality_head(small, seen, np.where(people < 49, people, 1000 + np.arange(len(people))))
    with pytest.raises(PfiqError, match=r"^identities: there are 239 for 240 faces; give one per face\.$"):
        fit_quality_head(small, seen, people[1:])
    spoiled = seen._replace(embedding=np.where(people[:, None] == 3, np.nan, seen.embedding))
    with pytest.raises(PfiqError, match="4 of 240 faces"):
        fit_quality_head(small, spoiled, people)
    with pytest.raises(PfiqError, match=r"has no learned head; fit one .* `fit_quality_head`"):
        learned(small, seen)
    with pytest.raises(PfiqError, match="fitted to 8 inputs, but this recogniser has 7"):
        learned(fitted, seen._replace(units=seen.units[..., 1:]))
