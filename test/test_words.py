"""Identifiers are the field's terms: no participle stands for the thing that it describes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# CONTRIBUTING.md, "Naming". As whole names alone: `is_found` or `found_in` may say what they mean.
BANNED = {
    "alone",
    "asked",
    "began",
    "book",
    "books",
    "drawn",
    "found",
    "fresh",
    "given",
    "goodness",
    "hopeful",
    "judged",
    "kept",
    "lean",
    "ledger",
    "own",
    "shown",
    "slot",
    "slots",
    "taker",
    "giver",
    "told",
    "way",
    "ways",
}
FOLDERS = ("challenge", "ensemble", "postprocess", "lab", "test", ".ci")
MODULES = [
    ROOT / "inference.py",
    *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")),
]


def names_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every name that a module gives to something, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, node.lineno


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_the_fields_terms(path: Path) -> None:
    banned = [
        f"line {line}: {name}"
        for name, line in names_in(ast.parse(path.read_text()))
        if name.strip("_").lower() in BANNED
    ]
    assert banned == []


def test_a_banned_name_is_seen() -> None:
    lines = "told = 1\ndef found(): pass\ndef f(own): pass\nfor kept in (): pass\nimport os as book"
    names = {name for name, _ in names_in(ast.parse(lines))}
    assert names == {"told", "found", "f", "own", "kept", "book"}
