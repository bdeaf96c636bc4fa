"""The README's Python runs as it stands, from top to bottom."""

import re
from pathlib import Path

import jax

from benchmarks.methods import all_tables

ROOT = Path(__file__).parents[1]


def test_examples_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    # as on a user's machine; optax itself does not run under strict promotion
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(compile("\n".join(blocks), "README.md", "exec"), {})


def test_own_network_takes_under_ten_lines():
    text = (ROOT / "README.md").read_text().split("### A network of your own")[1]
    block = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)
    assert len([line for line in block.splitlines() if line.strip()]) < 10


def test_tables_of_methods_are_those_of_the_records():
    """After a change of a record: `python -m benchmarks.methods -o benchmarks/results/methods.md`."""
    assert (ROOT / "benchmarks/results/methods.md").read_text() == all_tables()


def test_map_of_the_project_is_true():
    text = (ROOT / "README.md").read_text().split("## Map of the project")[1]
    block = re.search(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)
    for package in ("pfiq_jax", "weights_convert"):
        section = block.split(f"{package}/\n")[1]
        folders = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert folders <= set(re.findall(r"(\w+)/", section)), package
