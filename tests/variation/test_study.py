"""Studies of sets: which faces they contain, how often each is used, what is found."""

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.recognizers import ARCFACE_MXNET
from pfiq_jax.variation import central_face
from pfiq_jax.variation.findings import findings_of
from pfiq_jax.variation.report import html_page
from pfiq_jax.variation.study import split, study_maps

REGION = central_face(ARCFACE_MXNET)
METADATA = {"recognizer": "r", "activations": "a", "score": "s"}


def noisy_maps(indices, *, spread, missing=()):
    """Maps whose pixels outside the central face spread the more the smaller the face's index, its score."""
    for index in indices:
        if index not in missing:
            noise = np.random.default_rng(index).normal(0, spread(index), REGION.shape)
            yield int(index), np.clip(np.where(REGION, 0.6, 0.3 + noise.mean() * 100), 0, 1).astype(np.float32)


def falling(index):
    return 0.2 - 0.0019 * index


def test_sets_are_the_ends_of_the_scores_and_ties_go_by_order():
    scores = np.array([3.0, np.nan, 1.0, 1.0, 5.0, 4.0, 4.0, 2.0])
    sets = split(scores, quantile=0.3)
    assert sets.low.tolist() == [2, 3]
    assert sets.high.tolist() == [6, 4]
    assert sets.others.tolist() == [2, 3, 7, 0, 5]


def test_a_limit_spaces_each_set_evenly():
    sets = split(np.arange(100.0), quantile=0.2, limit=4)
    assert sets.low.tolist() == [0, 5, 10, 15]
    assert sets.high.tolist() == [80, 85, 90, 95]
    assert sets.others.tolist() == [0, 20, 40, 60]


def test_too_few_faces_are_refused():
    with pytest.raises(PfiqError, match="10 faces with a score are too few for two sets of 10%"):
        split(np.arange(10.0))
    assert len(split(np.arange(4.0), quantile=0.5).low) == 2


def test_finds_what_was_put_in():
    scores = np.arange(100.0)
    asked = []
    done = []

    def maps_of(indices):
        asked.extend(indices.tolist())
        return noisy_maps(indices, spread=falling, missing=(7, 50))

    sets = split(scores, quantile=0.2)
    found = study_maps(
        maps_of, sets, REGION, metadata=METADATA, done=lambda name, variation: done.append((name, variation))
    )
    assert sorted(asked) == list(range(100))  # each face once
    assert [name for name, _ in done] == ["high", "low"]
    assert done[0][1] is found.high
    assert found.high.count == 20
    assert found.low.count == 19
    assert found.low.metadata == METADATA | {"set": "low"}
    assert found.others.tolist() == [index for index in range(80) if index not in (7, 50)]

    findings = findings_of(found, scores[found.others], REGION)
    std = findings.means["std"]
    assert std.low.outside > 2 * std.high.outside
    assert findings.p_value < 0.01
    assert std.low.inside == std.high.inside == 0
    assert findings.deviation.statistic < -0.3
    assert all(": confirmed." in sentence for sentence in findings.sentences("s"))
    assert {len(row) for row in findings.rows()} == {5}
    assert len(findings.rows()) == 5
    assert findings.rows()[2][3] == f"{std.high.outside:.4f}"
    assert findings.rows()[2][4] == f"{std.low.outside:.4f}"
    numbers = findings.numbers()
    assert len(numbers) == 4 * 4 + 7
    assert numbers["std_outside_low"] == std.low.outside
    assert numbers["deviation_outside_correlation"] == findings.deviation_outside.statistic


def test_faces_alike_confirm_nothing():
    scores = np.arange(100.0)
    sets = split(scores, quantile=0.2)
    found = study_maps(lambda indices: noisy_maps(indices, spread=lambda _: 0.1), sets, REGION, metadata=METADATA)
    findings = findings_of(found, scores[found.others], REGION)
    assert all(": not confirmed." in sentence for sentence in findings.sentences("s"))


def test_a_set_that_cannot_be_read_is_named():
    sets = split(np.arange(8.0), quantile=0.25)
    with pytest.raises(PfiqError, match="1 faces of low quality can be read"):
        study_maps(lambda each: noisy_maps(each, spread=falling, missing=(0,)), sets, REGION, metadata=METADATA)


def test_page_holds_its_pictures_and_escapes_names():
    page = html_page("a <b>", ["x & y"], [["h", "1"], ["r", "2"]], {"cap": b"\x89PNG"})
    assert "a &lt;b&gt;" in page
    assert "x &amp; y" in page
    assert "data:image/png;base64,iVBORw==" in page
    assert "http" not in page
