"""Whose faces a folder contains: the person of a face is the first folder below the folder that was given."""

from pathlib import Path
from typing import NamedTuple

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.folders import expand_paths


class People(NamedTuple):
    """The image files of a folder and the people that they show.

    Attributes:
        paths: files of known people, sorted by person.
        identities: the person of each path, by the name of the first folder below the given one.
        loose: files that lie in no person's folder. They can be scored, but not compared.
    """

    paths: list[Path]
    identities: list[str]
    loose: list[Path]

    def by_person(self) -> dict[str, list[Path]]:
        """The files of each person, sorted by person."""
        files: dict[str, list[Path]] = {}
        for path, person in zip(self.paths, self.identities, strict=True):
            files.setdefault(person, []).append(path)
        return files


def people_in(folder: Path) -> People:
    """Finds the image files below a folder and the person of each.

    ``people/ann/2019/a.jpg`` shows ann, whatever the folders below ``people/ann`` are called.

    Args:
        folder: contains one folder of faces per person.

    Raises:
        PfiqError: if ``folder`` is not a folder, or if there are no images in it or below it.
    """
    if not folder.is_dir():
        raise PfiqError(f"{folder}: is not a folder; give one that contains a folder of faces for each person.")
    files = [path for path in expand_paths([folder]) if path != folder]  # which stands for itself if nothing is found
    if not files:
        raise PfiqError(f"{folder}: contains no images; give a folder that contains a folder of faces for each person.")
    persons = [path.relative_to(folder).parts[:-1] for path in files]
    return People(
        [path for path, person in zip(files, persons, strict=True) if person],
        [person[0] for person in persons if person],
        [path for path, person in zip(files, persons, strict=True) if not person],
    )


def one_face_each(people: People, limit: int) -> list[Path]:
    """The first face of each person, of people that are evenly spaced over the sorted names.

    A loose face counts as the only one of its person.

    Args:
        people: at least one face, as ``people_in`` returns it.
        limit: the largest number of faces to take, at least 1.
    """
    first = {path.name: path for path in people.loose} | {name: paths[0] for name, paths in people.by_person().items()}
    faces = [first[name] for name in sorted(first)]
    count = min(limit, len(faces))
    return [faces[index * len(faces) // count] for index in range(count)]
