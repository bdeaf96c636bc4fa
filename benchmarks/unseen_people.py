"""Makes a folder with links to the people that the bundled reference of good faces was not fitted to.

python -m benchmarks.unseen_people DATA/lfw_dev FOLDER
"""

from pathlib import Path

import click

from benchmarks.good_faces import fitted_people
from pfiq_jax.faces import people_in


@click.command(help=__doc__.split("\n")[0])
@click.argument("people", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("folder", type=click.Path(path_type=Path))
def main(people: Path, folder: Path) -> None:
    names = set(people_in(people).identities)
    folder.mkdir(parents=True)
    for name in sorted(names - fitted_people(names)):
        (folder / name).symlink_to((people / name).absolute())


if __name__ == "__main__":
    main()
