"""The examples in docs/bulk.md, each with the engine that it is for, where that is installed."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from pfiq_jax.faces import DEMO_FACE

ROOT = Path(__file__).parents[2]
slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings("ignore")  # of the engines about themselves


@pytest.fixture
def run_example(tmp_path, monkeypatch):
    """Runs the Python under a heading, in a folder with two faces and a broken file; returns its names."""
    (tmp_path / "faces").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(DEMO_FACE, tmp_path / "faces" / name)
    (tmp_path / "faces/broken.png").write_bytes(b"broken")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def run(heading: str) -> dict:
        text = (ROOT / "docs/bulk.md").read_text().split(f"### {heading}\n")[1]
        code = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1].replace(
            '"faces/', f'"{tmp_path}/faces/'
        )
        names: dict = {}
        exec(compile(code, heading, "exec"), names)
        return names

    return run


def check(rows) -> None:
    """Two faces with the quality of the demo face, and the broken file with its reason."""
    status, quality, error = zip(*sorted((row["status"], row["quality"], row["error"]) for row in rows), strict=True)
    assert status == ("failed", "scored", "scored")
    assert quality[1:] == pytest.approx([0.73] * 2, abs=0.2)
    assert "broken.png: is damaged" in error[0]
    assert error[1:] == ("", "")


def test_pandas(run_example):
    pytest.importorskip("pandas")
    check(run_example("pandas")["scored"].to_dict("records"))


def test_datasets(run_example):
    pytest.importorskip("datasets")
    scored = run_example("Hugging Face Datasets")["scored"]
    check(scored)
    assert scored.column_names == ["image", "quality", "raw_quality", "status", "error", "warning"]


@slow
def test_ray(run_example):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, object_store_memory=200 * 2**20, include_dashboard=False)
    try:
        check(run_example("Ray Data")["scored"].take_all())
    finally:
        ray.shutdown()


@slow
def test_spark(run_example, monkeypatch):
    pytest.importorskip("pyspark")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    names = run_example("Spark")
    check(row.asDict() for row in names["rows"])
    names["spark"].stop()


@slow
def test_beam(run_example):
    pytest.importorskip("apache_beam")
    run_example("Beam")
    lines = [line for path in Path().glob("scores*") for line in path.read_text().splitlines()]
    assert len(lines) == 3
    assert sum("is damaged" in line for line in lines) == 1
