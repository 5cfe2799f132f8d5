"""Tasks run in order, side by side on the devices; a failure stops what waits for it."""

import sys
from pathlib import Path

import pytest

from lab.training.recipe import RecipeError
from lab.training.runner import Runner
from lab.training.tasks import RunFolder, Task

PETAFLOP = {"train a 0": 1.0, "train a 1": 1.0}


def python(text: str, *after: str, name: str, trains: bool = False) -> Task:
    return Task(name, (sys.executable, "-c", f"import sys; {text}"), after, trains)


def test_tasks_run_in_order_on_their_devices_and_a_failure_stops_what_follows(
    tmp_path: Path,
) -> None:
    log = tmp_path / "order"
    write = f"open({str(log)!r}, 'a').write(sys.argv[-1] + ' ')"
    tasks = [
        python("pass", name="data"),
        python(f"import time; time.sleep(0.5); {write}", "data", name="train a 0", trains=True),
        python(f"import time; time.sleep(0.5); {write}", "data", name="train a 1", trains=True),
        python("print('no room'); sys.exit(3)", "train a 0", name="pack a"),
        python("pass", "pack a", name="ship"),
    ]
    runner = Runner(RunFolder(tmp_path), tasks, ("cpu", "cpu"), PETAFLOP)
    lines = list(runner.run())
    assert log.read_text() == "cpu cpu "  # side by side, each with its device
    starts = [line for line in lines if line.startswith("start   train")]
    assert lines.index(starts[1]) == lines.index(starts[0]) + 1
    assert any(line.startswith("FAILED  pack a") and "no room" in line for line in lines)
    assert lines[-1] == "not run, because a task before them failed: ship"
    assert runner.failed == {"pack a"}
    tasks[3] = python("pass", "train a 0", name="pack a")
    again = Runner(RunFolder(tmp_path), tasks, ("cpu",))
    assert next(iter(again.run())) == "3 of 5 tasks are finished already"


def test_a_task_of_a_recipe_that_was_changed_is_not_taken_over(tmp_path: Path) -> None:
    first = [python("pass", name="data"), python("print(1)", "data", name="plan")]
    list(Runner(RunFolder(tmp_path), first, ("cpu",)).run())
    changed = [first[0], python("print(2)", "data", name="plan")]
    message = r"plan.json: plan was finished by another command \(it had 'import sys; print\(1\)'\)"
    with pytest.raises(RecipeError, match=message):
        list(Runner(RunFolder(tmp_path), changed, ("cpu",)).run())
