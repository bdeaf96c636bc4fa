"""The pages of evidence show every result with the command that makes it."""

import re
from pathlib import Path

import pytest

from benchmarks.records import RECORDS, Record

PAGES = Path(__file__).parents[2] / "docs" / "evidence"
TEXTS = {path: path.read_text() for path in PAGES.glob("*.md")}
SHOWN = re.compile(r"(?:^```\{include\} |^!\[[^]]*\]\()([^\s)]+)", re.MULTILINE)


def test_what_the_pages_show_exists():
    shown = [(path.parent / name).resolve() for path, text in TEXTS.items() for name in SHOWN.findall(text)]
    assert len(shown) > 30
    assert [path for path in shown if not path.exists()] == []


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_every_result_is_shown_below_its_command(record: Record):
    holding = [text for text in map(joined, TEXTS.values()) if record.command in text]
    assert len(holding) == 1, record.command
    for name in record.files if not record.is_made else ():
        place = f"benchmarks/results/{name}" if not name.endswith(".json") else name
        assert place in holding[0].split(record.command)[1], name


def joined(text: str) -> str:
    """A text with the lines of a command in one."""
    return re.sub(r" *\\\n +", " ", text)
