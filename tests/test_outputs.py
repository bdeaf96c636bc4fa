import errno
import os
from pathlib import Path

import pytest

from pfiq_jax import PfiqError
from pfiq_jax.errors import OutputError
from pfiq_jax.outputs import RowsFile, check_output, make_folder, write_atomically, write_text
from pfiq_jax.tables import csv_text


@pytest.fixture
def umask():
    """Sets the process's umask until the end of the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_writes_and_leaves_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "eins\r\nzwei \udcff")
    assert (tmp_path / "a.txt").read_bytes() == b"eins\r\nzwei \xff"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path, umask, mask, mode):
    umask(mask)

    def privately(path: Path) -> None:  # as writers do that create a temporary file of their own
        path.write_text("x")
        path.chmod(0o600)

    write_atomically(tmp_path / "a", privately)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_an_existing_file_keeps_its_permissions(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(0o640)
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file(tmp_path, error):
    def fail(path: Path) -> None:
        path.write_text("half a")
        raise error

    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(PfiqError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        write_atomically(tmp_path / "a.csv", fail)
    assert isinstance(error, KeyboardInterrupt) or str(caught.value) == (
        f"{tmp_path / 'a.csv'}: cannot be written (No space left on device); free some space, or choose another output."
    )
    assert os.listdir(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"


def test_the_writer_sees_the_targets_suffix(tmp_path):
    seen = []
    write_atomically(tmp_path / "a.npz", lambda path: seen.append(path.suffix))
    assert seen == [".npz"]


def test_any_name_that_the_file_system_takes(tmp_path):
    name = "x" * 251 + ".npz"
    write_text(tmp_path / name, "x")
    assert os.listdir(tmp_path) == [name]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/target")
    for text in ("first", "second"):  # the target does not exist at first
        write_text(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder/target").read_text() == text


@pytest.mark.parametrize(
    ("name", "reason"),
    [("folder", "is not a regular file"), ("pipe", "is not a regular file"), ("none/a", "No such file or directory")],
)
def test_refuses_what_cannot_be_replaced(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PfiqError, match=rf"{name}: .*{reason}.*; choose another output\."):
        write_text(tmp_path / name, "x")
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_a_null_character_in_a_name_is_refused(tmp_path):
    with pytest.raises(PfiqError, match=r"a\\x00b': is not a file name, since it contains a null character; choose"):
        write_text(tmp_path / "a\0b", "text")


ROWS = [("a\rb.png", 1, ""), ("c\nd.png", 2, "x")]


def test_rows_are_added_and_an_old_file_stays_until_the_first(tmp_path, umask):
    umask(0o027)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to("folder/target")
    for _ in range(2):
        with RowsFile(tmp_path / "link.csv") as file:
            before = (tmp_path / "folder/target").exists() and (tmp_path / "folder/target").read_text()
            file.write(csv_text(ROWS[:1]))
            assert (tmp_path / "folder/target").read_bytes() == b'"a\rb.png",1,\n'
            file.write(csv_text(ROWS[1:]))
        assert (tmp_path / "folder/target").read_bytes() == b'"a\rb.png",1,\n"c\nd.png",2,x\n'
    assert before
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "folder/target").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_whole_rows_only_if_the_disk_is_full_or_a_run_is_interrupted(tmp_path, monkeypatch, error):
    path, write, space = tmp_path / "a.csv", os.write, 30

    def short_write(descriptor: int, content: bytes) -> int:
        nonlocal space
        if not space:
            raise error
        written = write(descriptor, content[: min(7, space)])
        space -= written
        return written

    monkeypatch.setattr("pfiq_jax.outputs.os.write", short_write)
    with RowsFile(path) as file:
        file.write("path,quality\n")
        with pytest.raises((OutputError, KeyboardInterrupt)) as caught:
            file.write("a.png,0.5\nb.png,0.25\n")
    assert path.read_text() == "path,quality\n"
    assert isinstance(error, KeyboardInterrupt) or str(caught.value) == (
        f"{path}: cannot be written (No space left on device); free some space, or choose another output."
    )


@pytest.mark.parametrize("name", ["folder", "pipe", "link to a pipe", "none/a", "a\0b", "x" * 300, "loop"])
def test_finds_out_first_what_cannot_be_written(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to a pipe").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match=r"; choose another"):
        check_output(tmp_path / name)
    with pytest.raises(OutputError, match=r"; choose another"), RowsFile(tmp_path / name) as file:
        file.write("a,1\n")
    assert sorted(os.listdir(tmp_path)) == ["folder", "link to a pipe", "loop", "pipe"]


def test_a_check_changes_nothing(tmp_path):
    (tmp_path / "old").write_text("old")
    for name in ("old", "new"):
        check_output(tmp_path / name)
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_a_folder_in_place_of_a_file(tmp_path):
    make_folder(tmp_path / "a/b")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/b: cannot be written \(Not a directory\); choose another output\."):
        make_folder(tmp_path / "file/b")
