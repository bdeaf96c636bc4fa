"""Which code a measurement depends on, and whether it has changed."""

import ast
import hashlib
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

ROOT = Path(__file__).parents[1]
LIBRARY = ("pfiq_jax", "weights_convert")
SCRIPTS = ("benchmarks/*.py", "benchmarks/accelerator")


class Source(NamedTuple):
    """The code that is checked out.

    Attributes:
        commit: the last one that changed it.
        library: a digest of what the library computes.
    """

    commit: str
    library: str


class _WithoutWords(ast.NodeTransformer):
    """Takes out what only people read: docstrings, help texts and the messages of errors."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST | None:
        return None if node.arg == "help" else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return self.generic_visit(node)


def content(path: Path) -> bytes:
    """The program of a Python file, without comments and words that only people read; the bytes of any other file."""
    if path.suffix not in (".py", ".pyi"):
        return path.read_bytes()
    return ast.dump(_WithoutWords().visit(ast.parse(path.read_text()))).encode()


def digest(paths: Iterable[Path]) -> str:
    """A short text that changes with the names and contents of files."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(f"{path.name}\n".encode() + content(path) + b"\n")
    return found.hexdigest()[:16]


def current() -> Source:
    """The code that is checked out; an error if it differs from the commit."""
    if changed := _git("status", "--porcelain", "--", *LIBRARY, *SCRIPTS):
        raise click.ClickException(
            f"the code has changes that are not committed; commit them, so that the manifest can name the code that "
            f"was measured:\n{changed}"
        )
    files = _git("ls-files", "--", *LIBRARY).splitlines()
    return Source(_git("log", "-1", "--format=%H", "--", *LIBRARY, *SCRIPTS), digest(ROOT / file for file in files))


def scripts_of(command: str) -> set[Path]:
    """The files of ``benchmarks`` that a command runs, and those that they import."""
    found: set[Path] = set()
    texts = [command]
    while texts:
        for name in re.findall(r"(?:-m|^from) benchmarks\.(\w+)", texts.pop(), re.MULTILINE):
            script = ROOT / "benchmarks" / name
            new = {each for each in (script.with_suffix(".py"), *script.glob("*.py")) if each.exists()} - found
            texts += [each.read_text() for each in new]
            found |= new
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
