"""A recipe as a script for Slurm: each stage is submitted after those that it waits for."""

import re
import subprocess
from pathlib import Path

import pytest

from lab.training.read_recipe import read_recipe
from lab.training.slurm import script
from lab.training.tasks import RunFolder, tasks_of

RECIPES = Path(__file__).resolve().parents[3] / "lab" / "recipes"


def submit(tmp_path: Path, sbatch: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script of a recipe where `sbatch` is these lines; return it, and sbatch's calls."""
    recipe = read_recipe(RECIPES / "brats_ssa_finetune.sh")
    folder, path, calls = RunFolder(tmp_path), tmp_path / "submit.sh", tmp_path / "calls"
    path.write_text("\n".join(script(tasks_of(recipe, folder), folder, "submit.sh")) + "\n")
    calls.touch()
    fake = f'#!/bin/sh\necho "$@" | tr "\\n" " " >> {calls}\necho >> {calls}\n'
    number = f"n=$(wc -l < {calls})\n"
    for name, text in (("sbatch", fake + number + sbatch), ("squeue", "#!/bin/sh\nexit 1\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", path],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )
    return done, calls.read_text().splitlines()


@pytest.mark.parametrize(
    "answer",
    ["echo $n", 'echo "$n;alpha"', 'echo "account checked: 120 h left"; echo "$n;alpha"'],
    ids=["one cluster", "several clusters", "a site's own words first"],
)
def test_a_script_for_slurm_submits_each_stage_after_the_one_before(
    answer: str, tmp_path: Path
) -> None:
    done, calls = submit(tmp_path, answer)
    assert done.returncode == 0, done.stderr
    train = next(line for line in calls if "--job-name=train-ssa " in line)
    assert "--array=0-4" in train
    assert "4) " in train
    assert "lab.training.fold Dataset511_BraTSAfrica full 4 --stage ssa" in train
    waits = [re.search(r"--dependency=(\S+)", line) for line in calls]
    after = [wait.group(1) if wait else "" for wait in waits]
    assert after[:6] == ["", "afterok:1", "", "afterok:3", "afterok:2", "afterok:4:5"]
    assert all(re.fullmatch(r"(afterok(:\d+)+)?", each) for each in after)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            "test $n -gt 1 && { echo 'invalid partition' >&2; exit 3; }; echo $n",
            "plan-gli: sbatch failed with exit code 3;",
        ),
        ("test $n -gt 1 && n=queued; echo $n", "plan-gli: sbatch answered 'queued', which is no "),
        ("test $n -gt 1 || echo $n", "plan-gli: sbatch answered '', which is no job's number;"),
    ],
)
def test_a_stage_that_is_not_submitted_stops_the_chain(
    answer: str, message: str, tmp_path: Path
) -> None:
    done, calls = submit(tmp_path, answer)
    assert done.returncode == 1
    assert len(calls) == 2
    assert done.stderr.splitlines()[-1].startswith(message)
    assert done.stderr.splitlines()[-1].endswith(
        "this stage and those after it are not submitted, those before it stay queued"
    )
