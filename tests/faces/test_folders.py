import os
import re

import pytest
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.faces import DEMO_FACE, expand_paths, left_out, limits, read_image


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "deep/c.png", ".git/d.png", "x[1].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given_paths", "found"),
    [
        (["."], ["a.JPG", "b.png", "x[1].png", "deep/c.png"]),
        (["b.png", "./b.png", "deep", "deep/c.png"], ["b.png", "deep/c.png"]),
        (["*.png"], ["b.png", "x[1].png"]),
        (["**/c.*"], ["deep/c.png"]),
        (["d*p"], ["deep/c.png"]),
        (["x[1].png"], ["x[1].png"]),
        (["notes.txt", "none.png"], ["notes.txt", "none.png"]),
    ],
)
def test_expand_paths(tree, given_paths, found):
    assert [str(path) for path in expand_paths(given_paths)] == found


SUFFIXES = ("jpg", "jfif", "JPE", "mpo", "j2k", "jp2", "jpx", "pnm", "pbm", "tif", "avif", "apng", "dat", "")


def test_a_folder_is_read_as_its_files_are_by_name(tmp_path):
    """Whatever their suffix: 13 of 14 were left out."""
    with Image.open(DEMO_FACE) as image:
        for number, suffix in enumerate(SUFFIXES):
            image.save(tmp_path / f"{number:02}.{suffix}".rstrip("."), "JPEG")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "table.csv").write_text("P3,BM\n1,2\n")
    os.mkfifo(tmp_path / "pipe")
    found = expand_paths([tmp_path])
    assert [path.name for path in found] == sorted(
        f"{number:02}.{suffix}".rstrip(".") for number, suffix in enumerate(SUFFIXES)
    )
    for path in found:
        assert read_image(path).shape == (112, 112, 3)


def test_linked_folders_are_followed_once(tmp_path):
    for name in ("root/a/1.png", "other/2.png", "other/deep/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "root/a/to_other").symlink_to(tmp_path / "other")
    (tmp_path / "root/also_to_other").symlink_to(tmp_path / "other")
    (tmp_path / "root/to_root").symlink_to(tmp_path / "root")
    (tmp_path / "root/b.png").symlink_to(tmp_path / "root/a/1.png")
    (tmp_path / "root/0.png").touch()
    names = [str(path.relative_to(tmp_path / "root")) for path in expand_paths([tmp_path / "root"])]
    assert names == ["0.png", "b.png", "a/1.png", "also_to_other/2.png", "also_to_other/deep/3.png"]
    assert len(expand_paths([tmp_path / "root", tmp_path / "other", tmp_path / "root/to_root"])) == 5


def test_pictures_in_other_formats_are_counted(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.heic", "B.HEIC", "deep/c.psd", "d.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert left_out([tmp_path]) == {".heic": 2, ".psd": 1}
    with pytest.raises(PfiqError, match=r"contains no images in a format that is read, but 2 \.heic, 1 \.psd; give"):
        read_image(tmp_path)


@pytest.mark.parametrize(("path", "reason"), [("empty", "contains no images"), ("*.webp", "no such file")])
def test_nothing_found(tree, path, reason):
    (tree / "empty").mkdir()
    assert [str(path) for path in expand_paths(["b.png", path])] == ["b.png", path]
    with pytest.raises(PfiqError, match=f"{re.escape(path)}: {reason}; give"):
        read_image(path)


def test_a_folder_that_may_not_be_read(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "deep":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [str(path) for path in expand_paths(["deep"])] == ["deep"]
    assert [str(path) for path in expand_paths(["."])] == ["a.JPG", "b.png", "x[1].png", "deep"]
    with pytest.raises(PfiqError, match="deep: may not be read; change its permissions"):
        read_image("deep")


def test_what_exceeds_a_limit_of_reading_is_not_left_out(tmp_path, monkeypatch):
    """Whatever its suffix: reading gives the reason."""
    Image.new("RGB", (30, 20)).save(tmp_path / "face", "PPM")
    for module, limit, value in ((limits, "MAX_SECONDS", -1), (Image, "MAX_IMAGE_PIXELS", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(module, limit, value)
            assert expand_paths([tmp_path]) == [tmp_path / "face"]
