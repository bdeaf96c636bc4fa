"""What counts as a change of the code that is measured."""

from pathlib import Path

import pytest

from benchmarks import source

PROGRAM = '''"""A module."""

LIMIT = 3
"""A limit."""

@click.option("--size", help="How large.")
def double(size):
    """Twice."""
    if size > LIMIT:
        raise ValueError("too large")
    return 2 * size  # as it is
'''


def content(tmp_path: Path, program: str) -> bytes:
    (tmp_path / "program.py").write_text(program)
    return source.content(tmp_path / "program.py")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A module", "Another"),
        ("A limit", "The limit"),
        ("How large", "Size in pixels"),
        ("Twice.", "Two times."),
        ("too large", "larger than the limit"),
        ("  # as it is", ""),
    ],
)
def test_words_do_not_count(tmp_path, old, new):
    assert content(tmp_path, PROGRAM.replace(old, new)) == content(tmp_path, PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"), [("2 * size", "3 * size"), ("ValueError", "TypeError"), ("--size", "--width"), ("= 3", "= 4")]
)
def test_what_is_computed_counts(tmp_path, old, new):
    assert content(tmp_path, PROGRAM.replace(old, new)) != content(tmp_path, PROGRAM)


def test_other_files_count_whole(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\x00# 1")
    assert source.content(tmp_path / "weights.bin") == b"\x00# 1"


def test_scripts_include_what_they_import():
    names = {path.name for path in source.scripts_of("python -m benchmarks.photographs DATA")}
    assert names == {"photographs.py", "verification.py"}
    assert source.scripts_of("pfiq explain -o OUT") == set()
    assert {"__main__.py", "torch_sface.py"} <= {
        path.name for path in source.scripts_of("python -m benchmarks.accelerator")
    }
