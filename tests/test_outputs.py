import errno
import os
from pathlib import Path

import pytest

from pfiq_jax import PfiqError
from pfiq_jax.outputs import write_atomically, write_text


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
        f"{tmp_path / 'a.csv'}: cannot be written (No space left on device); choose another output."
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
