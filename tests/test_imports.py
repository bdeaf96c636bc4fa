"""Imports point one way, so that each part can be read without the parts above it."""

import ast
from pathlib import Path

import pytest

import pfiq_jax

PACKAGE = Path(pfiq_jax.__file__).parent
# Each may import those before it. Modules of one line do not import each other.
LEVELS = (
    ("errors", "version", "cpu_memory", "devices", "tables", "pytrees", "bounds"),
    ("vectors", "plot_style"),
    ("images", "outputs", "plotting", "calibration", "good_faces", "learned_head"),
    ("recognizers",),
    ("methods", "detection"),
    ("quality", "faces"),
    ("maps",),
    ("variation", "scoring"),
    ("bulk", "export"),
    ("evaluation",),
    ("adapting",),
    ("cli",),
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """The parts of the package that a module imports, also inside functions, and other packages of the project."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for package, _, rest in (module.partition(".") for module in modules):
            if package == "pfiq_jax":
                parts.add(rest.split(".")[0])
            elif package in ("weights_convert", "tests", "benchmarks"):
                parts.add(package)
    return parts


def test_every_part_has_a_level():
    assert {part_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"} == LEVEL.keys()


@pytest.mark.parametrize("part", LEVEL)
def test_imports_point_down(part):
    for path in PACKAGE.rglob("*.py"):
        if part_of(path) == part:
            for imported in imported_parts(path) - {part}:
                assert LEVEL.get(imported, len(LEVELS)) < LEVEL[part], f"{path} imports {imported}"
