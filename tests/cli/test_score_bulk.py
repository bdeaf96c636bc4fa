"""``pfiq score`` and ``pfiq merge`` for many images: outputs of every kind, resuming, several processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyarrow")
from pyarrow import parquet

from tests.cli.test_score import rows

PARTS = """
import sys
from pfiq_jax.cli import main
for index in sys.argv[2:]:
    part = ("-o", sys.argv[1], "--process-index", index, "--process-count", "2")
    try:
        main(("score", "list.txt", *part), prog_name="pfiq")
    except SystemExit as end:
        assert end.code == 1  # some images are damaged
"""  # one process for several parts, which compiles once


def test_all_outputs_hold_the_same_rows(run, photos):
    Path("list.txt").write_text("\n".join([*photos, "none.png"]))
    run("score", "list.txt", "-o", "a.csv", exit_code=1)
    said = run("score", "list.txt", "-o", "scores", exit_code=1).stderr
    assert "1 of 1 shards are in scores; `pfiq merge scores -o NAME.parquet` writes one file." in said
    assert run("merge", "scores", "-o", "b.csv").stdout == "7 rows -> b.csv\n"
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    run("score", "list.txt", "-o", "a.jsonl", exit_code=1)
    run("score", "list.txt", "-o", "a.parquet", exit_code=1)
    table = rows(Path("a.csv").read_text())
    lines = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    columns = parquet.read_table("a.parquet").to_pydict()
    assert [row["path"] for row in table] == [line["path"] for line in lines] == columns["path"]
    assert [row["quality"] for row in table[:6]] == [f"{line['quality']:.6g}" for line in lines[:6]]
    assert [line["status"] for line in lines] == ["scored"] * 6 + ["failed"] == columns["status"]
    assert lines[6]["quality"] is columns["quality"][6] is None
    assert {line["method"] for line in lines} == {"relative_norm"}
    assert sorted(os.listdir()) == ["a.csv", "a.jsonl", "a.parquet", "b.csv", "list.txt", "photos", "scores"]


def test_an_output_that_exists_is_neither_lost_nor_mixed(run, photos):
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        run("score", photos[0], "-o", name)
        before = Path(name).read_bytes()
        assert f"Error: {name}: exists" in run("score", photos[1], "-o", name, exit_code=3).stderr
        assert Path(name).read_bytes() == before
        run("score", photos[1], "-o", name, "--force")
        assert Path(name).read_bytes() != before
    other = run("score", photos[0], "-o", "a.csv", "--resume", exit_code=3).stderr
    assert f"a.csv: image 1 has the path {photos[1]}, but this run has {photos[0]}; name another output" in other
    run("score", photos[0], "-o", "scores")
    other = run("score", photos[1], "-o", "scores", exit_code=3).stderr
    assert "holds scores of other inputs or settings (inputs" in other
    run("merge", "scores", "-o", "b.csv")
    assert "b.csv: exists; give --force" in run("merge", "scores", "-o", "b.csv", exit_code=3).stderr


def test_a_run_goes_on_where_it_was_interrupted(run, photos):
    run("score", "photos", "-o", "whole.csv")
    text = Path("whole.csv").read_text()
    Path("a.csv").write_text(text[: text.index("photos/d.png") + 20])
    run("score", "photos", "-o", "a.csv", "--resume")
    assert Path("a.csv").read_text() == text
    run("score", "photos", "-o", "a.csv", "--resume")
    assert Path("a.csv").read_text() == text


def test_two_processes_share_a_folder(run, photos, monkeypatch):
    run("score", "photos", "-o", "alone")
    said = run("score", "photos", "-o", "shared", "--process-index", "1", "--process-count", "2").stderr
    assert "Process 1 of 2 (--process-index): 3 of 6 shards are in shared; the same command goes on." in said
    assert "lacks 3 of 6 shards" in run("merge", "shared", "-o", "b.parquet", exit_code=1).stderr
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert "Process 0 of 2 (SLURM_PROCID): 6 of 6 shards" in run("score", "photos", "-o", "shared").stderr
    for folder in ("alone", "shared"):
        run("merge", folder, "-o", f"{folder}.csv")
    assert Path("alone.csv").read_bytes() == Path("shared.csv").read_bytes()


def test_maps_of_a_folder(run, photos):
    run("score", "photos", "none.png", "-o", "scores", "--maps", exit_code=1)
    with np.load("scores/maps-00000-of-00001.npz") as file:
        arrays = dict(file)
    assert arrays["row"].tolist() == list(range(6))
    for name in ("map", "deficit"):
        assert arrays[name].shape == (6, 112, 112)
        assert arrays[name].min() >= 0
        assert arrays[name].max() <= 1
    assert arrays["deficit"][5, :80].mean() > arrays["deficit"][0, :80].mean() + 0.2  # 90 rows are grey


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "a.txt"), "a.txt: has no known suffix; give a .csv, .jsonl or .parquet file, or a folder"),
        (("-o", "a.csv", "--maps"), "--maps: needs a folder as output"),
        (("-o", "a.csv", "--process-index", 0, "--process-count", 2), "--process-index: needs a folder as output"),
        (("-o", "a.csv", "--resume", "--force"), "--resume and --force: exclude each other"),
    ],
)
def test_options_that_do_not_fit(run, arguments, message):
    assert message in run("score", "a.png", *arguments, exit_code=2).stderr


def test_landmarks_and_boxes_of_a_list(run):
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(image).save("a.png")
    Path("points.csv").write_text("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\na.png,68,92,104,92,86,112,71,132,101,132\n")
    (own,) = rows(run("score", "points.csv").stdout)
    (given,) = rows(run("score", "a.png", "--landmarks", "points.csv").stdout)
    assert own == given
    Path("boxes.csv").write_text("path,left,top,width,height\na.png,10,10,50,50\n")
    (row,) = rows(run("score", "boxes.csv", exit_code=1).stdout)
    assert "no face was found where its box is" in row["error"]


@pytest.mark.slow
def test_killed_runs_go_on_and_end_with_the_same_bytes():
    """SIGKILL at random moments; one image in ten is damaged. All runs have one device, and so the same bits."""
    random = np.random.default_rng(0)
    names = [f"{index:03}.png" for index in range(200)]
    for name in names:
        Image.fromarray(random.integers(0, 256, (112, 112, 3), np.uint8)).save(name)
        if name.endswith("7.png"):
            os.truncate(name, 1000)
    Path("list.txt").write_text("\n".join(names))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(output: str, *indices: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PARTS, output, *map(str, indices)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    killed = 0
    for index in range(2):
        with start("scores", index) as process:
            while process.poll() is None and not list(Path("scores").glob(f"scores-0000{index}-*")):
                time.sleep(0.02)
            time.sleep(random.uniform(0, 0.3))
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
    assert killed
    for output in ("scores", "whole"):
        with start(output, 0, 1) as process:
            assert process.wait() == 0
    assert sorted(os.listdir("scores")) == sorted(os.listdir("whole"))
    for name in os.listdir("whole"):
        assert Path("scores", name).read_bytes() == Path("whole", name).read_bytes()
