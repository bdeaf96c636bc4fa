"""The folders that are made from LFW, on photographs of one face."""

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.prepare_lfw import DISTURBANCES, is_in_half, kept_pairs, main, write_degraded
from pfiq_jax import demo_face


def people(folder: Path, counts: dict[str, int], image: np.ndarray) -> Path:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(1, count + 1):
            Image.fromarray(image).save(folder / name / f"{name}_{number:04}.jpg")
    return folder


def test_the_half_is_that_of_the_tables():
    assert [is_in_half(name) for name in ("AJ_Cook", "Aaron_Pena", "Ahmed_Chalabi")] == [True] * 3
    share = np.mean([is_in_half(f"Person_{number}") for number in range(2000)])
    assert share == pytest.approx(0.5, abs=0.05)


def test_pairs_of_absent_faces_are_left_out(tmp_path):
    faces = people(tmp_path, {"Ann": 2, "Bob": 1}, demo_face())
    table = "10\t300\nAnn\t1\t2\nAnn\t1\t3\nAnn\t2\tBob\t1\nAnn\t1\tBob\t2\nEve\t1\tAnn\t1\n"
    assert kept_pairs(table, faces) == "Ann\t1\t2\nAnn\t2\tBob\t1\n"


def test_half_of_the_degraded_faces_are_disturbed(tmp_path):
    faces = people(tmp_path / "faces", {"Ann": 6, "Bob": 4, "Eve": 5}, demo_face())
    write_degraded(faces, tmp_path / "degraded")
    with (tmp_path / "degraded/manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [
        f"{name}/{name}_000{i}.jpg" for name in ("Ann", "Eve") for i in range(1, 6)
    ]
    clean = [row["kind"] == "clean" for row in rows]
    assert sum(clean) == 5
    changes = [
        np.abs(np.int16(Image.open(tmp_path / "degraded" / row["path"])) - np.int16(Image.open(faces / row["path"])))
        for row in rows
    ]
    assert all((change.mean() < 2) == is_clean for change, is_clean in zip(changes, clean, strict=True))


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_more_severe_is_further_from_the_face(kind):
    def distance(severity: float) -> float:
        disturbed = DISTURBANCES[kind](np.random.default_rng(0), demo_face(), severity)
        assert disturbed.shape == (112, 112, 3)
        return float(np.abs(np.clip(disturbed, 0, 255) - demo_face().astype(float)).mean())

    assert 0 < distance(0.0) < distance(1.0)


@pytest.mark.slow
def test_photographs_become_all_folders(tmp_path):
    photo = np.pad(demo_face(), ((70, 68), (70, 68), (0, 0)), mode="edge")
    names = [name for name in (f"Person_{i}" for i in range(100)) if is_in_half(name)][:2]
    other = next(name for name in (f"Person_{i}" for i in range(100)) if not is_in_half(name))
    lfw = people(tmp_path / "lfw", {names[0]: 5, names[1]: 1, other: 1}, photo)
    Image.new("RGB", (250, 250)).save(lfw / names[1] / f"{names[1]}_0002.jpg")  # without a face
    (tmp_path / "pairs.txt").write_text(f"10\t300\n{names[0]}\t1\t2\n{names[1]}\t1\t2\n{names[0]}\t1\t{other}\t1\n")
    data = tmp_path / "data"
    result = CliRunner().invoke(main, [str(lfw), str(tmp_path / "pairs.txt"), str(data)])
    assert result.exit_code == 0, result.output
    assert "6 faces of 2 people" in result.output
    assert f"{names[1]}_0002.jpg: no face found" in result.output
    assert (data / "lfw_dev_pairs.txt").read_text() == f"{names[0]}\t1\t2\n"
    crop = np.asarray(Image.open(data / "lfw_dev" / names[0] / f"{names[0]}_0001.jpg"))
    assert crop.shape == (112, 112, 3)
    centre = slice(30, 90), slice(30, 80)
    assert np.corrcoef(crop[centre].ravel(), demo_face()[centre].ravel())[0, 1] > 0.5  # the face, at its own scale
    assert len(list((data / "lfw_dev_degraded").rglob("*.jpg"))) == 5
    assert sorted(path.stem for path in (data / "lfw_photos").iterdir()) == sorted(f"{name}_0001" for name in names)
