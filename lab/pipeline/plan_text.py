"""What `lab submit` prints before it starts: what was handed in, and the steps to come."""

from lab.packing.left_out_postprocessing import left_out
from lab.pipeline.plan import all_steps
from lab.pipeline.run_steps import StepRunner
from lab.pipeline.submission import Submission
from lab.progress import duration


def plan_lines(s: Submission, runner: StepRunner, with_commands: bool) -> list[str]:
    """Return what was handed in, and each step with its estimate, perhaps with its command."""
    lines = [f"{s.scheme.name}, {s.cases} cases of {s.cohort}, scored by {s.scorer}"]
    for source in s.sources:
        folds = ", ".join(source.folds)
        stored = "probabilities" if source.has_probabilities else "labels"
        validation = f"nnU-Net's validation has {stored}" if source.has_labels else "no validation"
        word = "" if source.is_nnunets else "; that its folds are those of the splits is your word"
        lines.append(f"{source.name}: folds {folds}; {validation}{word}")
        lines += left_out(source.folder, str(source.folder))
    if s.splits:
        lines.append(f"splits: {s.splits}")
    if s.predictions:
        lines.append(f"predictions of {s.predictions}, rules alone")
    steps = all_steps(s)
    width = max(len(step.name) for step in steps)
    for number, step in enumerate(steps, 1):
        about = "done" if runner.is_done(step) else f"about {duration(step.estimate_s)}"
        basis = f"  {step.basis}" if step.basis else ""
        lines.append(f"{number:>3}  {step.name:<{width}}{about:>14}{basis}")
        if with_commands:
            lines.append(f"     {step.command}")
    left = duration(runner.estimate_s(steps))
    rough = "by round numbers where no measurement is named"
    return [*lines, f"about {left} on {s.device}, {rough}; logs in {s.work / 'logs'}"]
