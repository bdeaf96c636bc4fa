import io
import json
import sys

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.estimate import json_of
from pfiq_jax.evaluation.measure import legend
from pfiq_jax.evaluation.scores.evaluate_scores import SCORE_MEASURES, evaluate_scores
from pfiq_jax.evaluation.scores.report import plot_scores, scores_table


@pytest.fixture(scope="module")
def evaluation():
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(10, 8))[np.repeat(np.arange(10), 3)] + 0.8 * generator.normal(size=(30, 8))
    columns = {"random": generator.random(30), r"a$\b$ | c": generator.random(30)}
    return evaluate_scores(embeddings, np.repeat(np.arange(10), 3), columns, fmr=0.01, resamples=20)


@pytest.fixture(scope="module")
def without_errors():
    return evaluate_scores(np.eye(4)[[0, 0, 1, 1]], [0, 0, 1, 1], {"any": np.arange(4.0)}, resamples=5)


def test_draws_a_curve_per_score_and_the_best(evaluation):
    figure, axes = plot_scores(evaluation)
    figure.savefig(io.BytesIO())
    lines = {line.get_label().split(",")[0]: line for line in axes.lines}
    np.testing.assert_array_equal(lines["random"].get_data(), evaluation.curves["random"])
    best, *scores = (text.get_text() for text in axes.get_legend().get_texts())
    assert best == "theoretical best"
    paucs = [float(label.split(", pAUC ")[1]) for label in scores]
    assert len(paucs) == 2
    assert paucs == sorted(paucs)
    assert axes.get_legend().get_window_extent().x0 > axes.get_window_extent().x1
    assert not pyplot.get_fignums()


def test_draws_into_given_axes_and_without_errors(without_errors):
    given = Figure().subplots()
    _, axes = plot_scores(without_errors, axes=given)
    assert axes is given


def test_names_the_extra_that_is_missing(monkeypatch, evaluation):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PfiqError, match=r"pip install 'pfiq-jax\[plot\]'"):
        plot_scores(evaluation)


def test_table_lists_the_best_first(evaluation):
    text = scores_table(evaluation)
    assert "30 faces of 10 people: 30 mated and 405 non-mated pairs." in text
    assert r"| a$\b$ \| c | " in text
    paucs = [estimates["pauc"].value for estimates in evaluation.estimates.values()]
    assert text.index(f"{min(paucs):.3f} [") < text.index(f"{max(paucs):.3f} [")
    assert "The best possible pauc is 0." in text
    assert legend(SCORE_MEASURES) in text


def test_table_and_json_say_where_nothing_is_defined(without_errors):
    assert "| any | undefined | 0.000 [0.000, 0.000] |" in scores_table(without_errors)
    figures = json_of("any", without_errors.estimates)["methods"]["any"]
    assert figures["pauc"] == {"value": None, "low": None, "high": None}


def test_json(evaluation):
    report = json.loads(json.dumps(json_of("random", evaluation.estimates), allow_nan=False))
    assert report.keys() == {"default", "methods"}
    assert report["default"] == "random"
    assert report["methods"].keys() == evaluation.estimates.keys()
    for name, figures in report["methods"].items():
        assert list(figures) == ["pauc", "fnmr", "rce"]
        for key, values in figures.items():
            assert values == evaluation.estimates[name][key]._asdict()
