"""`python -m benchmarks.all` on commands that write a word."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks import all as runner
from benchmarks import manifest, source
from benchmarks.records import Record

WRITE = "python -c 'import sys; open(sys.argv[1], \"w\").write(sys.argv[2])'"
CHAIN = 'python -c \'import sys; open(sys.argv[1], "w").write(open(sys.argv[2]).read() + "!")\''


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data. Of the four results one fails, and one needs what is not here."""
    made = Record({"m.txt": "m.txt"}, f"{WRITE} OUT/m.txt word", 1, is_made=True)
    results = (
        Record({"fails.md": "fails.md"}, "python -c 'raise SystemExit(\"too bad\")' OUT", 1),
        Record({"a.md": "b.md"}, f"{WRITE} OUT/b.md DATA/faces", 1, ("faces",)),
        Record({"c.md": "c.md"}, f"{CHAIN} OUT/c.md MADE/m.txt", 1),
        Record({"gpu.md": "gpu.md"}, f"{WRITE} OUT/gpu.md x", 1, ("none",), ("nosuchpackage",), "GPU"),
    )
    for module in (runner, manifest):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
        monkeypatch.setattr(module, "MADE", tmp_path / "made")
    monkeypatch.setattr(runner, "MADE_RECORDS", (made,))
    monkeypatch.setattr(runner, "RESULT_RECORDS", results)
    monkeypatch.setattr(source, "current", lambda: source.Source("1234", "abcd"))
    monkeypatch.setattr(manifest, "device", lambda: "cpu")
    (tmp_path / "data/faces").mkdir(parents=True)
    (tmp_path / "data/faces/a.txt").write_text("face")
    return tmp_path / "data"


def run(data: Path, *options: str) -> Result:
    return CliRunner().invoke(runner.main, ["--data", str(data), *options])


def test_makes_what_it_can_and_names_the_rest(data):
    result = run(data)
    assert result.exit_code == 1
    assert "fails.md: failed with exit code 1, no fails.md\ntoo bad" in result.output
    assert "gpu.md: left out: none is not in the data; the package nosuchpackage is not installed" in result.output
    assert "needs the device GPU, and this is cpu" in result.output
    results = data.parent / "results"
    assert (results / "a.md").read_text() == str(data / "faces")
    assert (results / "c.md").read_text() == "word!"
    entries = json.loads((results / "manifest.json").read_text())
    assert set(entries) == {"a.md", "c.md"}
    assert entries["c.md"]["commit"] == "1234"
    assert entries["c.md"]["device"].startswith("cpu; ")
    assert 0 <= entries["c.md"]["seconds"] < 60
    assert "jax" in entries["c.md"]["versions"]


def test_makes_again_only_what_has_changed(data, monkeypatch):
    run(data)
    again = run(data)
    assert "a.md: up to date" in again.output
    assert "c.md: up to date" in again.output
    assert "fails.md: failed" in again.output
    (data / "faces/a.txt").write_text("another face")
    changed = run(data)
    assert "a.md: python" in changed.output
    assert "c.md: up to date" in changed.output
    (data.parent / "results/c.md").unlink()
    assert "c.md: python" in run(data, "--only", "c.md").output
    assert "c.md: python" in run(data, "--only", "c.md", "--again").output
    monkeypatch.setattr(source, "current", lambda: source.Source("5678", "abcd"))
    assert "a.md: up to date" in run(data, "--only", "a.md").output
    monkeypatch.setattr(source, "current", lambda: source.Source("5678", "ef01"))
    assert "a.md: python" in run(data, "--only", "a.md").output


def test_a_result_that_reads_another_is_made_again_in_the_same_run(data, monkeypatch):
    root = data.parent
    for module in (runner, manifest):
        monkeypatch.setattr(module, "RESULTS", root / "benchmarks/results")
    monkeypatch.setattr(runner, "ROOT", root)
    copy = "python -c 'import shutil, sys; shutil.copy(sys.argv[2], sys.argv[1])'"
    first = Record({"first.txt": "first.txt"}, f"{copy} OUT/first.txt DATA/faces/a.txt", 1, ("faces",))
    second = Record({"second.txt": "second.txt"}, f"{copy} OUT/second.txt benchmarks/results/first.txt", 1)
    monkeypatch.setattr(runner, "RESULT_RECORDS", (first, second))
    for face in ("face", "face", "another face"):
        (data / "faces/a.txt").write_text(face)
        assert run(data).exit_code == 0
        assert (root / "benchmarks/results/second.txt").read_text() == face


def test_list_makes_nothing(data):
    run(data, "--only", "a.md")
    lines = run(data, "--list").output.splitlines()
    assert [line.split("|")[3].strip() for line in lines[2:5]] == ["to be made", "up to date", "to be made"]
    assert "left out" not in lines[4]
    assert not (data.parent / "results/c.md").exists()


def test_an_unknown_result_is_an_error(data):
    result = run(data, "--only", "d.md")
    assert result.exit_code == 2
    assert "no such result" in result.output
