"""A recipe as a script for Slurm: a job array a stage, each after those that it waits for."""

import shlex
from collections.abc import Iterator, Sequence

from lab.training.tasks import RunFolder, Task

HEAD = """#!/usr/bin/env bash
# Submits a recipe to Slurm: `bash {name}`, from the repository, with its environment activated.
# A stage is a job array with a task a fold. Adapt the two lines of options to your cluster. A
# training that was stopped goes on from its last checkpoint when the script is submitted again.
set -euo pipefail
train="--gres=gpu:1 --cpus-per-task=12 --mem=64G --time=48:00:00"
other="--cpus-per-task=8 --mem=32G --time=12:00:00"
mkdir -p {work}/logs
refuse() {{
  echo "$1; this stage and those after it are not submitted, those before it stay queued" >&2
  exit 1
}}
submit() {{ # STAGE OPTION...: prints the job's number
  local stage=$1 answer job
  shift
  answer=$(sbatch --parsable --export=ALL --output={work}/logs/%x-%A_%a.log "$@") ||
    refuse "$stage: sbatch failed with exit code $?"
  job=${{answer##*$'\n'}} # a site's own tools may say something first
  job=${{job%%;*}}         # JOB;CLUSTER where there are several clusters
  [[ $job =~ ^[0-9]+$ ]] || refuse "$stage: sbatch answered '$answer', which is no job's number"
  echo "$job"
}}
"""


def script(tasks: Sequence[Task], folder: RunFolder, name: str) -> Iterator[str]:
    """Yield the lines of the script."""
    yield HEAD.format(name=name, work=shlex.quote(str(folder.path)))
    for key, value in folder.environment.items():
        yield f"export {key}={shlex.quote(value)}"
    jobs: dict[str, str] = {}  # task -> the shell variable that holds its job's number
    for group in _arrays(tasks):
        first = group[0]
        title = first.name.rsplit(" ", 1)[0] if first.trains else first.name
        variable = "job_" + "".join(c if c.isalnum() else "_" for c in title)
        after = sorted({jobs[name] for task in group for name in task.after})
        wait = f"--dependency=afterok:{':'.join(f'${job}' for job in after)} " if after else ""
        if first.trains:
            folds = (
                f"{i}) {shlex.join([*task.words, '--device', 'cuda'])} ;;"
                for i, task in enumerate(group)
            )
            work = "\n".join(["case $SLURM_ARRAY_TASK_ID in", *folds, "esac"])
            options = f"$train --array=0-{len(group) - 1}"
        else:
            work, options = shlex.join(first.words), "$other"
        name = shlex.quote(title.replace(" ", "-"))
        submit = f"submit {name} {wait}{options} --job-name={name}"
        yield f"{variable}=$({submit} --wrap {shlex.quote(work)})"
        jobs |= {task.name: variable for task in group}
    yield "squeue --me || true  # a look at what is queued; all is submitted by now"


def _arrays(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Gather the folds of one stage; anything else is alone."""
    group: list[Task] = []
    for task in tasks:
        same = group and task.trains and group[0].trains
        if group and not (same and task.name.split()[1] == group[0].name.split()[1]):
            yield group
            group = []
        group.append(task)
    if group:
        yield group
