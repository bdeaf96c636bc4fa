import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.bulk import Inputs, read_inputs
from pfiq_jax.bulk.lists import Lines
from pfiq_jax.faces.image_files import with_image

NAMES = ["a.png", "b.png", "c.png"]


@pytest.fixture(autouse=True)
def _faces(tmp_path, monkeypatch) -> None:
    """Three images whose first pixel tells them apart, in a folder ``faces``."""
    monkeypatch.chdir(tmp_path)
    Path("faces").mkdir()
    for number, name in enumerate(NAMES):
        Image.fromarray(np.full((9, 9, 3), 10 * number, np.uint8)).save(f"faces/{name}")


def shades(inputs: Inputs) -> list[int]:
    """The first pixel of each image."""
    return [with_image(record, lambda picture: int(picture.pixels[0, 0, 0])) for record in inputs]


def names(inputs: Inputs) -> list[str]:
    assert [record.name for record in inputs] == list(inputs.names())
    assert [record.number for record in inputs] == list(range(len(inputs)))
    return list(inputs.names())


def test_files_folders_and_patterns_keep_their_order():
    inputs = read_inputs(["faces/c.png", "faces", "none.png"])
    assert names(inputs) == ["faces/c.png", "faces/a.png", "faces/b.png", "none.png"]
    assert shades(read_inputs(["faces/*.png"])) == [0, 10, 20]


@pytest.mark.parametrize("text", [b"c.png\na.png\n", b"\xef\xbb\xbf c.png \r\n\r\n\t\na.png", b"\n\nc.png\na.png"])
def test_a_text_names_a_file_per_line(text):
    Path("faces/list.txt").write_bytes(text)
    inputs = read_inputs(["faces/list.txt"])
    assert names(inputs) == ["c.png", "a.png"]
    assert shades(inputs) == [20, 0]


def test_names_of_a_list_count_from_the_current_folder_or_from_that_of_the_list():
    Path("faces/list.txt").write_text("a.png\nb.png\nnone.png\n")
    inputs = read_inputs(["faces/list.txt"])
    assert [record.content for record in inputs] == [Path("faces", name) for name in ("a.png", "b.png", "none.png")]
    for name in ("a.png", "b.png"):
        Path(name).touch()
    assert read_inputs(["faces/list.txt"])[0].content == Path("a.png")


def test_a_list_from_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"faces/b.png\nfaces/\xff.png\n")))
    inputs = read_inputs(["faces/a.png", "-"])
    assert [os.fsencode(name) for name in names(inputs)] == [b"faces/a.png", b"faces/b.png", b"faces/\xff.png"]


def test_lines_are_found_by_their_bytes():
    lines = Lines(b"one\n\n  two words \r\nthree")
    assert list(lines) == ["one", "two words", "three"]
    assert lines[1:] == ["two words", "three"]
    assert not list(Lines(b""))
    assert not list(Lines(b"\n \n"))


LANDMARKS = "38,52,74,52,56,72,42,92,71,92"


def test_a_table_brings_landmarks_or_boxes():
    points = ",".join(f"{axis}{point}" for point in range(1, 6) for axis in "xy")
    Path("points.csv").write_text(f"filename,{points}\nfaces/b.png,{LANDMARKS}\nfaces/a.png{10 * ','}\n")
    first, second = read_inputs(["points.csv"])
    assert first.landmarks == ((38, 52), (74, 52), (56, 72), (42, 92), (71, 92))
    assert second.landmarks is None
    Path("boxes.csv").write_text("path;left;top;width;height\nfaces/b.png;1,5;2;30;40\nfaces/a.png;;;;\n")
    first, second = read_inputs(["boxes.csv"])
    assert (first.box, first.landmarks) == ((1.5, 2, 30, 40), None)
    assert second.box is None
    plain = read_inputs(["faces"])
    assert plain.fingerprint() != read_inputs(["boxes.csv"]).fingerprint() != read_inputs(["points.csv"]).fingerprint()


def test_a_parquet_list():
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"path": ["faces/c.png"], "left": [1], "other": [2.5]}), "list.parquet")
    (record,) = read_inputs(["list.parquet"])
    assert (record.name, record.box) == ("faces/c.png", None)


def write_tar(name: str, members: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(name, mode) as tar:
        for path, content in members.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_a_tar_in_the_layout_of_webdataset():
    content = {f"{name[0]}{suffix}": Path("faces", name).read_bytes() for name in NAMES for suffix in (".png", ".json")}
    write_tar("00.tar", content)
    write_tar("01.tar", {"deep/c.PNG": Path("faces/c.png").read_bytes()})
    inputs = read_inputs(["*.tar"])
    assert names(inputs) == ["00.tar/a.png", "00.tar/b.png", "00.tar/c.png", "01.tar/deep/c.PNG"]
    assert shades(inputs) == [0, 10, 20, 20]
    write_tar("01.tar", content | {"more": bytes(20_000)})
    with pytest.raises(PfiqError, match=r"^01.tar/deep/c.PNG: its archive has changed since the run began; score"):
        shades(inputs)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.tar", b"no archive" * 100, "is damaged or not an uncompressed tar file"),
        ("a.tar", b"", "is damaged or not an uncompressed tar file"),
        ("a.tar.gz", b"x", "is compressed, so its images cannot be read in any order"),
        ("a.csv", b"path,x\n,1\n", "line 2: has no path; fill it in"),
        ("a.csv", b"name\nfaces/a.png\n", "lacks the columns path"),
        ("a.csv", b"path,left,top,width,height\nfaces/a.png,1,2,x,4\n", "line 2: width is 'x', which is not a number"),
        ("a.txt", b"\n\n", "has no images; give images, folders"),
    ],
)
def test_what_is_no_list_and_no_archive_is_one_sentence(name, content, reason):
    Path(name).write_bytes(content)
    with pytest.raises(PfiqError, match=rf"^{name}.*: .*; .*\.$") as caught:
        read_inputs([name])
    assert reason in str(caught.value)


def test_a_tar_that_ends_early_or_has_no_images():
    write_tar("a.tar", {"a.json": b"{}"})
    with pytest.raises(PfiqError, match=r"a.tar: contains no images; give a tar"):
        read_inputs(["a.tar"])
    write_tar("a.tar", {"a.png": bytes(5000)})
    os.truncate("a.tar", 2000)
    with pytest.raises(PfiqError, match=r"a.tar: is (truncated|damaged)"):
        read_inputs(["a.tar"])


def test_addresses_of_images_lists_and_archives(monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name in NAMES:
        memory.pipe_file(f"/bucket/faces/{name}", Path("faces", name).read_bytes())
    memory.pipe_file("/bucket/faces/notes.json", b"{}")
    memory.pipe_file("/bucket/list.txt", b"memory://bucket/faces/b.png\nfaces/a.png\n")
    write_tar("00.tar", {"c.png": Path("faces/c.png").read_bytes()})
    memory.pipe_file("/bucket/00.tar", Path("00.tar").read_bytes())
    assert shades(read_inputs(["memory://bucket/faces"])) == [0, 10, 20]
    assert shades(read_inputs(["memory://bucket/faces/[bc].png", "faces/a.png"])) == [10, 20, 0]
    assert shades(read_inputs(["memory://bucket/list.txt"])) == [10, 0]
    assert shades(read_inputs(["memory://bucket/00.tar"])) == [20]
    assert shades(read_inputs([f"file://{Path.cwd()}/faces/b.png"])) == [10]
    with pytest.raises(PfiqError, match=r"memory://bucket/none.png: .*; give"):
        shades(read_inputs(["memory://bucket/none.png"]))
    with pytest.raises(PfiqError, match=r"nosuch://a: cannot be reached \(Protocol not known: nosuch\); check the"):
        read_inputs(["nosuch://a"])


def test_array_records():
    module = pytest.importorskip("array_record.python.array_record_module")
    writer = module.ArrayRecordWriter("a.array_record", "group_size:1")
    for name in NAMES:
        writer.write(Path("faces", name).read_bytes())
    writer.close()
    inputs = read_inputs(["a.array_record"])
    assert names(inputs) == ["a.array_record[0]", "a.array_record[1]", "a.array_record[2]"]
    assert shades(inputs) == [0, 10, 20]
    Path("b.array_record").write_bytes(b"no records" * 1000)
    with pytest.raises(PfiqError, match=r"b.array_record: is damaged or not an ArrayRecord file; create it again\."):
        read_inputs(["b.array_record"])


def test_the_fingerprint_is_that_of_the_names_in_their_order():
    Path("list.txt").write_text("faces/a.png\nfaces/b.png\nfaces/c.png\n")
    wanted = read_inputs(["faces"]).fingerprint()
    assert read_inputs(["list.txt"]).fingerprint() == wanted
    Path("list.txt").write_text("faces/b.png\nfaces/a.png\nfaces/c.png\n")
    assert read_inputs(["list.txt"]).fingerprint() != wanted
