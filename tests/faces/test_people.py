import os
from pathlib import Path

import pytest

from pfiq_jax import PfiqError
from pfiq_jax.faces.people import one_face_each, people_in


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two people with two sessions each, next to two loose faces and a file that is not an image."""
    names = ("bob/1/b.png", "bob/2/a.png", "ann/1/b.png", "ann/2/a.png", "ann/c.png", "loose.png", "aaa.jpg", "x.txt")
    for name in names:
        (tmp_path / "people" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "people" / name).touch()
    return tmp_path / "people"


def test_the_first_folder_is_the_person_and_loose_faces_are_nobody(folder):
    people = people_in(folder)
    shown = {str(path.relative_to(folder)): person for path, person in zip(*people[:2], strict=True)}
    assert shown == {
        "ann/c.png": "ann",
        "ann/1/b.png": "ann",
        "ann/2/a.png": "ann",
        "bob/1/b.png": "bob",
        "bob/2/a.png": "bob",
    }
    assert people.loose == [folder / "aaa.jpg", folder / "loose.png"]
    assert people.by_person() == {
        "ann": [folder / "ann" / name for name in ("c.png", "1/b.png", "2/a.png")],
        "bob": [folder / "bob" / name for name in ("1/b.png", "2/a.png")],
    }


def test_the_folder_may_be_the_current_one(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert people_in(Path(".")).identities == people_in(Path(os.pardir, "people")).identities == people_in(folder)[1]


def test_a_flat_folder_has_no_people(folder):
    assert people_in(folder / "bob" / "1") == ([], [], [folder / "bob/1/b.png"])


@pytest.mark.parametrize(("name", "reason"), [("none", "is not a folder"), ("x.txt", "is not a folder")])
def test_refuses_what_is_not_a_folder(folder, name, reason):
    with pytest.raises(PfiqError, match=rf"{name}: {reason}; give a folder"):
        people_in(folder / name)


def test_refuses_a_folder_without_images(tmp_path):
    with pytest.raises(PfiqError, match=rf"{tmp_path.name}: contains no images; give"):
        people_in(tmp_path)


@pytest.mark.parametrize(
    ("limit", "taken"),
    [
        (10, ["aaa.jpg", "ann/c.png", "bob/1/b.png", "loose.png"]),
        (3, ["aaa.jpg", "ann/c.png", "bob/1/b.png"]),
        (2, ["aaa.jpg", "bob/1/b.png"]),
        (1, ["aaa.jpg"]),
    ],
)
def test_one_face_each_is_evenly_spaced_over_people(folder, limit, taken):
    assert one_face_each(people_in(folder), limit) == [folder / name for name in taken]
