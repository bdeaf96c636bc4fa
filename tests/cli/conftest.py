from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from pfiq_jax import cli
from pfiq_jax.faces import demo_face


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch) -> None:
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """Runs ``pfiq`` with arguments of any type, and checks its exit code; a mistake never ends in a traceback."""

    def invoke(*arguments: object, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
        assert result.exit_code == exit_code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def photos() -> list[str]:
    """Six faces: the demo face, more and more of it grey."""
    face = demo_face()
    names = [f"photos/{name}.png" for name in "abcdef"]
    Path("photos").mkdir()
    for index, name in enumerate(names):
        image = face.copy()
        image[: 18 * index] = 128
        Image.fromarray(image).save(name)
    return names
