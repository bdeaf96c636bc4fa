"""README and site: their examples run, their links lead somewhere, and they describe what there is."""

import re
from pathlib import Path

import jax
import pytest

import pfiq_jax
from benchmarks.methods import all_tables

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()


def test_python_of_the_readme_runs(capsys):
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as on a user's machine
        exec(compile(block, "README.md", "exec"), {})
    assert 0 < float(capsys.readouterr().out) < 1
    assert len(block.splitlines()) <= 6


def test_readme_can_be_read_at_once():
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("page", [path.name for path in ROOT.glob("*.md")])
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_own_network_takes_under_ten_lines():
    block = re.search(r"^def trunk.*?^```$", (DOCS / "networks.md").read_text(), re.MULTILINE | re.DOTALL).group()
    assert len([line for line in block.splitlines() if line.strip()]) - 1 < 10


def test_every_public_name_is_in_the_reference():
    text = "".join(path.read_text() for path in (DOCS / "reference").glob("*.rst"))
    documented = re.findall(r"^\.\. auto(?:function|class|data|exception):: (\w+)", text, re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == set(pfiq_jax.__all__) - {"__version__"}


def test_tables_of_methods_are_those_of_the_records():
    """After a change of a record: `python -m benchmarks.methods -o benchmarks/results/methods.md`."""
    assert (ROOT / "benchmarks/results/methods.md").read_text() == all_tables()


def test_map_of_the_project_is_true():
    text = (DOCS / "design.md").read_text().split("## Where things are")[1]
    block = re.search(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)
    for package in ("pfiq_jax", "weights_convert"):
        section = block.split(f"{package}/\n")[1]
        folders = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert folders <= set(re.findall(r"(\w+)/", section)), package
