"""The house: who may import whom, what stays out of `postprocess`, and how long things get."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What each part may import of the house; nothing imports `lab` or `inference`.
MAY_IMPORT = {
    "challenge": set(),
    "ensemble": {"challenge"},
    "postprocess": {"challenge"},
    "inference": {"challenge", "ensemble", "postprocess"},
    "lab": {"challenge", "ensemble", "postprocess"},
}
# The rooms of `lab`, and one module: each imports itself and what stands further down.
ROOMS = (
    "study",
    "stress",
    "bench",
    "pipeline",
    "learned_gates",
    "rule_search",
    "packing",
    "report",
    "member_selection",
    "training",
    "evaluation",
    "submission",
    "phantom",
    "drawing",
    "provenance",
    "data",
    "arguments",
    "metrics",
)
NEVER = {
    "challenge": {"torch", "sklearn", "pandas", "pickle", "radiomics", "nnunetv2"},
    "postprocess": {"torch", "sklearn", "pandas", "pickle", "joblib", "nnunetv2"},
    "ensemble": {"radiomics", "sklearn", "pandas"},
    "inference": {"radiomics", "sklearn", "pandas", "pickle", "nnunetv2"},
}
MODULES = sorted(
    path
    for part in MAY_IMPORT
    for path in (ROOT / part).rglob("*.py")
    if "__pycache__" not in path.parts
) + [path for path in [ROOT / "inference.py"] if path.is_file()]


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the first name of every absolute import, wherever it stands in the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).split(".")[0]


def beyond_package(path: Path, tree: ast.AST) -> Iterator[int]:
    """Yield the lines whose relative import climbs out of its part of the house."""
    depth = len(path.relative_to(ROOT).parts) - 1
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level > depth:
            yield node.lineno


def edges_wrong_in(path: Path) -> list[str]:
    part, tree = part_of(path), ast.parse(path.read_text())
    allowed = MAY_IMPORT[part] | {part}
    names = set(imported(tree))
    wrong = sorted((names & set(MAY_IMPORT)) - allowed) + sorted(names & NEVER.get(part, set()))
    return wrong + [f"line {line} leaves {part}" for line in beyond_package(path, tree)]


def lab_modules_in(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of every module of `lab` that is imported, at any depth."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            *packages, last = name.split(".")
            whole = ROOT.joinpath(*packages, f"{last}.py").is_file() or (
                ROOT.joinpath(*packages, last, "__init__.py").is_file()
            )
            if packages[:1] == ["lab"]:
                yield name if whole else ".".join(packages)


def height(module: str) -> int:
    """Return how high a module of `lab` stands: what lies in no room is below all of them."""
    room = module.split(".")[1] if module.count(".") else ""
    return len(ROOMS) - ROOMS.index(room) if room in ROOMS else 0


LAB = [path for path in MODULES if part_of(path) == "lab" and path.name != "__main__.py"]


@pytest.mark.parametrize("path", LAB, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_of_the_lab_import_downwards(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    names = set(lab_modules_in(ast.parse(path.read_text())))
    assert sorted(name for name in names if height(name) > height(module)) == []


def test_every_room_has_its_place():
    rooms = {path.parent.name for path in ROOT.glob("lab/*/__init__.py")}
    assert rooms == set(ROOMS) - {"arguments"}


def test_no_circle_in_the_lab():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in LAB}
    edges = {
        name: {other for other in lab_modules_in(ast.parse(path.read_text())) if other in names}
        for name, path in names.items()
    }
    TopologicalSorter(edges).prepare()  # CycleError names the circle


def test_there_is_a_house():
    assert {"challenge", "ensemble", "postprocess"} <= {part_of(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    assert edges_wrong_in(path) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_readable(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []


@pytest.mark.parametrize(
    ("part", "line", "edge"),
    [
        ("postprocess", "import sklearn.cluster", "sklearn"),
        ("postprocess", "def f():\n    from torch import nn", "torch"),
        ("postprocess", "from ensemble.manifest import Manifest", "ensemble"),
        ("challenge", "import lab.rule_search.fit", "lab"),
        ("lab", "import inference", "inference"),
        ("challenge", "from ..postprocess import refine", "leaves"),
    ],
)
def test_a_wrong_edge_is_seen(part, line, edge, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / part / "wrong.py"
    path.parent.mkdir()
    path.write_text(line)
    assert edge in " ".join(edges_wrong_in(path))
