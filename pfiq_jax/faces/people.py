"""The people in a folder: the person of a face is the first folder below the given folder."""

from pathlib import Path
from typing import NamedTuple

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.folders import expand_paths


class People(NamedTuple):
    """The image files of a folder and the people that they show.

    Attributes:
        paths: files of known people, sorted by person.
        identities: the person of each path: the name of the first folder below the given folder.
        loose: files that are not in a person's folder. They can be scored, but not compared.
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

    ``people/ann/2019/a.jpg`` shows ann; the names of the folders below ``people/ann`` are ignored.

    Args:
        folder: contains one folder of faces per person.

    Raises:
        PfiqError: if ``folder`` is not a folder, or if neither it nor its subfolders contain images.
    """
    if not folder.is_dir():
        raise PfiqError(f"{folder}: is not a folder; give a folder that contains a folder of faces for each person.")
    files = [path for path in expand_paths([folder]) if path != folder]  # it is returned itself if it has no images
    if not files:
        raise PfiqError(f"{folder}: contains no images; give a folder that contains a folder of faces for each person.")
    persons = [path.relative_to(folder).parts[:-1] for path in files]
    return People(
        [path for path, person in zip(files, persons, strict=True) if person],
        [person[0] for person in persons if person],
        [path for path, person in zip(files, persons, strict=True) if not person],
    )


def one_face_each(people: People, limit: int) -> list[Path]:
    """The first face of each of some people, who are evenly spaced over the sorted names.

    A loose face counts as the only face of its person.

    Args:
        people: at least one face, as ``people_in`` returns it.
        limit: the largest number of faces, at least 1.
    """
    first = {path.name: path for path in people.loose} | {name: paths[0] for name, paths in people.by_person().items()}
    faces = [first[name] for name in sorted(first)]
    count = min(limit, len(faces))
    return [faces[index * len(faces) // count] for index in range(count)]
