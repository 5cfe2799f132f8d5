"""What no line of the program may do, read from its syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IN_IMAGE = [ROOT / "inference.py", *sorted(ROOT.glob("[cep]*/**/*.py"))]
ALL = [*IN_IMAGE, *sorted((ROOT / "lab").rglob("*.py"))]
# What would open a pickle, run what a file says, or ask a shell.
FORBIDDEN = {
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "cPickle.load",
    "dill.load",
    "joblib.load",
    "cloudpickle.load",
    "marshal.load",
    "marshal.loads",
    "shelve.open",
    "yaml.load",
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "pandas.read_pickle",
    "pd.read_pickle",
    "__import__",
    "torch.jit.load",
    "torch.hub.load",
    # It unpickles, opens libraries and evaluates what a file holds: ensemble/exported_archive.py.
    "torch.export.load",
    "torch.export.pt2_archive.load_pt2",
    "load_pt2",
    "sympy.sympify",
}
NEEDED = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
# Nothing that ships may ask the network; the server of grand-challenge's contract only answers.
NETWORK = {"socket", "urllib", "requests", "httpx", "ftplib", "smtplib", "huggingface_hub", "http"}
ANSWERS = {ROOT / "challenge" / "server.py"}


def faults_in(path: Path) -> list[str]:
    faults = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name, keywords = ast.unparse(node.func), {k.arg: k.value for k in node.keywords}
            if name in FORBIDDEN:
                faults.append(f"line {node.lineno}: {name}")
            if name in NEEDED:
                keyword, wanted = NEEDED[name]
                value = keywords.get(keyword)
                if not (isinstance(value, ast.Constant) and value.value is wanted):
                    faults.append(f"line {node.lineno}: {name} without {keyword}={wanted}")
            shell = keywords.get("shell")
            if shell is not None and not (isinstance(shell, ast.Constant) and not shell.value):
                faults.append(f"line {node.lineno}: {name} with a shell")
    return faults


def imports_of(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.split(".")[0])
    return modules


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle_is_opened_and_no_file_is_run(path: Path) -> None:
    assert faults_in(path) == []


@pytest.mark.parametrize("path", IN_IMAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_ships_asks_the_network(path: Path) -> None:
    assert imports_of(path) & NETWORK <= ({"http"} if path in ANSWERS else set())


def test_the_files_that_ship_are_found() -> None:
    names = {path.name for path in IN_IMAGE}
    assert {"inference.py", "case.py", "server.py", "network.py", "artefacts.py"} <= names
    assert not any("lab" in path.parts[len(ROOT.parts) :] for path in IN_IMAGE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("torch.load(path)", "torch.load without weights_only=True"),
        ("torch.load(path, weights_only=False)", "torch.load without weights_only=True"),
        ("np.load(path)", "np.load without allow_pickle=False"),
        ("pickle.loads(content)", "pickle.loads"),
        ("subprocess.run(text, shell=True)", "with a shell"),
        ("eval(text)", "eval"),
        ("torch.export.load(path)", "torch.export.load"),
    ],
)
def test_what_is_forbidden_is_seen(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(line)
    assert message in " ".join(faults_in(path))
