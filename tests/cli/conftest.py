from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from pfiq_jax import cli


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
