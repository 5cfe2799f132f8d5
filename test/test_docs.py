"""What the Markdown files promise: links lead somewhere, commands, options and paths exist."""

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from test_imports import ROOMS as IMPORT_ORDER

import challenge.cli
import postprocess.__main__
from lab.__main__ import ROOMS, verbs_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names what has gone
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
VERBS = {verb: row.module for room in ROOMS for verb, row in verbs_of(room).items()}
FENCED = r"^```(\w*)\n(.*?)^```$"
SHELL = ("sh", "bash", "")
SEPARATORS = {"&&", "||", "|", ";", ">", ">>", "<", "do", "done"}
FOLDERS = ("challenge", "ensemble", "postprocess", "lab", "test", "docs", ".ci", "weights")
PLACEHOLDER = re.compile(r"[\s<>{}$=()|]|NAME|my-gli")
# Options that the pages name and our parsers do not declare: of Docker, Apptainer, pip, pytest,
# nvidia-smi and of our shell scripts.
OTHER_OPTIONS = {
    "--require-hashes",
    "--no-deps",
    "--no-build-isolation",
    "--entrypoint",
    "--user",
    "--gpus",
    "--secret",
    "--query-gpu",
    "--format",
    "--network",
    "--memory",
    "--shm-size",
    "--durations",
    "--invoke",
    "--name",
    "--nv",
    "--cleanenv",
    "--no-home",
    "--bind",
}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_current_page = pytest.mark.parametrize(
    "page", CURRENT, ids=lambda page: str(page.relative_to(ROOT))
)


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program, and takes no abbreviations."""

    def __init__(self, verb: str) -> None:
        super().__init__(prog=verb, allow_abbrev=False)
        importlib.import_module(VERBS[verb]).configure(self)

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(FENCED, "", page.read_text(), flags=re.M | re.S)


def spans(page: Path) -> list[str]:
    """Return what stands in single backticks outside of fenced blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page).replace("\\|", "|"))


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the commands of the shell blocks, continued lines joined, comments dropped."""
    for language, block in re.findall(FENCED, page.read_text(), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines() if language in SHELL else ():
            command: list[str] = []
            for word in [*shlex.split(line.replace(";", " ; "), comments=True), ";"]:
                if word in SEPARATORS:
                    yield command
                    command = []
                else:
                    command.append(word)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    slugs: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slugs.append(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    counted = [f"{slug}-{slugs[:i].count(slug)}" for i, slug in enumerate(slugs)]
    return {name.removesuffix("-0") for name in counted}


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere, and `docs/x.md#anchor` in its text."""
    text = prose(page)
    inside = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", t)]
    links = [(page.parent, target) for target in inside]
    links += [(ROOT, target) for target in re.findall(r"\bdocs/[\w-]+\.md#[\w-]+", text)]
    broken = []
    for folder, target in links:
        name, _, anchor = target.partition("#")
        path = folder / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    return broken


def fault_of(command: list[str]) -> str | None:
    """Say why one of our own programs would refuse a command line, or None."""
    try:
        if command[:3] == ["python", "-m", "lab"]:
            if command[3] not in VERBS:
                return f"no verb {command[3]}"
            Parser(command[3]).parse_args(command[4:])
        elif command[:3] == ["python", "-m", "postprocess"]:
            postprocess.__main__.parse(command[3:])
        elif command[:2] == ["python", "inference.py"]:
            challenge.cli.parse(command[2:])
    except (ValueError, SystemExit) as error:
        return f"refused: {error}"
    return None


def declared_options() -> set[str]:
    """Return the options of every verb, of `inference.py` and of `python -m postprocess`."""
    options = {option for verb in VERBS for option in Parser(verb)._option_string_actions}
    for module in (challenge.cli, postprocess.__main__):
        for option in re.findall(r'"(--[a-z][\w-]*)"', Path(str(module.__file__)).read_text()):
            options |= {option, option.replace("--", "--no-", 1)}
    return options


def is_missing(word: str, in_prose: bool) -> bool:
    """Return whether a word names a file or folder of the repository that is not there."""
    path = word.strip("\"'").removeprefix("./").rstrip("/")
    if PLACEHOLDER.search(path) or path.startswith(("/", "-")):
        return False
    if "/" in path and path.split("/")[0] in FOLDERS:
        return not any(ROOT.glob(path))
    if in_prose and "/" not in path and path.endswith((".py", ".sh")):
        return not any(any((ROOT / f).rglob(path)) for f in FOLDERS) and not (ROOT / path).exists()
    return False


@each_page
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@each_current_page
def test_every_command_is_one_that_the_program_takes(page: Path) -> None:
    faults = {" ".join(command): fault_of(command) for command in commands(page)}
    assert {command: fault for command, fault in faults.items() if fault} == {}


@each_current_page
def test_every_verb_and_option_named_in_the_text_exists(page: Path) -> None:
    known = declared_options() | OTHER_OPTIONS
    named = re.findall(r"(?:python -m |^)lab ([a-z][\w-]*)", "\n".join(spans(page)), re.M)
    assert [verb for verb in named if verb not in VERBS] == []
    options = re.findall(r"(?<![\w-])--[a-z][\w-]*", "\n".join(spans(page)))
    assert [option for option in options if option not in known] == []


@each_current_page
def test_every_path_named_exists(page: Path) -> None:
    missing = [word for word in spans(page) if is_missing(word, in_prose=True)]
    missing += [w for command in commands(page) for w in command if is_missing(w, in_prose=False)]
    assert missing == []


def test_the_readme_is_short_and_names_every_verb_and_page() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    assert [verb for verb in VERBS if f"`{verb}`" not in text] == []
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in text] == []


def test_make_targets_named_in_contributing_exist() -> None:
    named = re.findall(r"\bmake ([a-z][\w-]*)", CONTRIBUTING.read_text())
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.M)
    assert named
    assert [target for target in named if target not in targets] == []


def test_contributing_has_the_tree_and_the_import_order_of_lab() -> None:
    text = CONTRIBUTING.read_text()
    entries = [path for path in (ROOT / "lab").iterdir() if not path.name.startswith(("__", "req"))]
    assert [path.name for path in entries if path.name not in text] == []
    quoted = "".join(re.findall(r"^> (.*\n)", text, re.M))
    assert tuple(quoted.replace("\n", " ").replace(" ", "").split(",")) == IMPORT_ORDER
