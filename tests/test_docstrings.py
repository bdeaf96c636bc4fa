"""The examples in docstrings run, after those at the top of the package."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import jax
import pytest

import pfiq_jax

MOST_USED = {
    *("load_recognizer", "Recognizer.from_functions", "Recognizer.forward", "Recognizer.embed"),
    *("face_quality", "relative_norm", "ser_fiq", "ser_fiq_closed_form", "magface", "unified_quality_score"),
    *("find_calibration", "Calibration.fit", "Calibration.scale", "Calibration.percentile"),
    *("Calibration.failure_probability", "pixel_quality", "mean_activation", "align", "load_detector", "detect"),
    *("find_faces", "FaceScorer", "export_program", "plot_pixel_quality", "summarize"),
    "evaluate_scores",
}


def documented() -> Iterator[tuple[str, str]]:
    """Every docstring of the package that has an example, by the name of what it documents."""
    for info in pkgutil.walk_packages(pfiq_jax.__path__, "pfiq_jax."):
        module = importlib.import_module(info.name)
        if ">>>" in inspect.getsource(module):
            for item in vars(module).values():
                if getattr(item, "__module__", None) == module.__name__:
                    methods = inspect.getmembers(item, callable) if inspect.isclass(item) else []
                    for each in (item, *(method for name, method in methods if not name.startswith("__"))):
                        if ">>>" in (each.__doc__ or ""):
                            yield each.__qualname__, each.__doc__


EXAMPLES = dict(documented())


def run(text: str, names: dict[str, object], name: str) -> dict[str, object]:
    """Runs an example, and returns the names that are then defined."""
    test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    report: list[str] = []
    # as on a user's machine
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        if runner.run(test, out=report.append, clear_globs=False).failed:
            pytest.fail("".join(report), pytrace=False)
    return test.globs


@pytest.fixture(scope="module")
def first_lines() -> dict[str, object]:
    return run(pfiq_jax.__doc__, {}, "pfiq_jax")


def test_the_most_used_functions_have_examples():
    assert EXAMPLES.keys() >= MOST_USED


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name, first_lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(EXAMPLES[name], first_lines, name)
