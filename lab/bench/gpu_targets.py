"""What the GPU path has to reach, and whether a measurement reached it."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.bench.gpu_limits import DEADLINE
from lab.bench.gpu_part import Row

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "at least": operator.ge,
    "under": operator.lt,
    "at most": operator.le,
}


NO_TIME = ("not run", "stopped")  # how errors of `gpu_part` begin where time was over


@dataclass(frozen=True)
class Target:
    """One value of one row, and what it has to be."""

    name: str
    part: str
    what: str  # the row
    key: str
    comparison: str
    bound: float
    form: str = ".2f"
    unit: str = ""
    scale: float = 1.0

    @property
    def goal(self) -> str:
        """Say what is to be reached."""
        return f"{self.comparison} {self._written(self.bound)}"

    def row(self, rows: Mapping[str, Sequence[Row]]) -> Row:
        """Return the row that counts, the last one of its name; an empty one without any."""
        named = [row for row in rows.get(self.part, ()) if row["what"] == self.what]
        return named[-1] if named else {}

    def value(self, rows: Mapping[str, Sequence[Row]]) -> float | None:
        """Return the measured value; None where there is none."""
        return self.row(rows).get(self.key)

    def is_met(self, rows: Mapping[str, Sequence[Row]]) -> bool | None:
        """Return whether it was reached; None where there was no time to measure it."""
        value, error = self.value(rows), self.row(rows).get("error", NO_TIME[0])
        if value is None:
            return None if error.startswith(NO_TIME) else False
        return COMPARISONS[self.comparison](value, self.bound)

    def line(self, rows: Mapping[str, Sequence[Row]]) -> str:
        """Say what was measured beside what was to be reached."""
        value, is_met = self.value(rows), self.is_met(rows)
        missing = "not measured" if is_met is None else "failed"
        measured = missing if value is None else self._written(value)
        verdict = {True: ", met", False: ", missed", None: ""}[is_met]
        return f"  target {self.goal:<18}{self.name}: {measured}{verdict}"

    def _written(self, value: float) -> str:
        number = int(value) if self.form == "d" else value * self.scale
        return f"{number:{self.form}}{self.unit}"


def percent(name: str, row: tuple[str, str, str], bound: float, form: str = ".1f") -> Target:
    """Return a target of a share: at least `bound`."""
    return Target(name, *row, "at least", bound, form, " %", 100)


FOLDS = (("1 fold", 0.9999), ("3 folds", 0.9995))  # README, "Limits"
NETWORKS = ("glioma", "ResEnc-L")
RATIO = ("at least", 3.0, ".2f", "x")
SOME = ("at least", 1, "d")
RANDOM = 0.99  # random weights have nearly tied logits
TARGETS = (
    *(
        percent(f"labels as stock's, {folds}", ("agreement", folds, "equal_share"), share, ".2f")
        for folds, share in FOLDS
    ),
    *(
        Target(f"{n}, stock's warm case to ours", "times", f"{n}, Podium", "stock_ratio", *RATIO)
        for n in NETWORKS
    ),
    *(
        percent(f"{n}, share of the peak", ("times", f"{n}, Podium", "share_of_peak"), 0.4)
        for n in NETWORKS
    ),
    Target("glioma, warm case", "times", "glioma, Podium", "warm_s", "under", 5.0, unit=" s"),
    *(
        percent(f"labels within {gb} GB", ("limits", f"{gb} GB", "equal_share"), RANDOM, ".2f")
        for gb in (24, 16)
    ),
    Target("ladder's steps within 16 GB", "limits", "16 GB", "ladder_steps", *SOME),
    Target("steps skipped at a deadline", "deadline", DEADLINE, "steps_skipped", *SOME),
    Target("valid file at a deadline", "deadline", DEADLINE, "is_valid", *SOME),
    Target("late at a deadline", "deadline", DEADLINE, "late_s", "at most", 0.0, ".1f", " s"),
)


def targets_of(part: str) -> list[Target]:
    """Return the targets of a part."""
    return [target for target in TARGETS if target.part == part]


def judge(rows: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Return every target with what was measured and whether it was met."""
    return [
        {**asdict(target), "value": target.value(rows), "is_met": target.is_met(rows)}
        for target in TARGETS
    ]


def last_line(rows: Mapping[str, Sequence[Row]]) -> str:
    """Say which targets were met."""
    names: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for target in TARGETS:
        names[target.is_met(rows)].append(target.name)
    words = [f"targets: {len(names[True])} of {len(TARGETS)} met"]
    words += [f"{title}: {_list(names[key])}" for key, title in REST if names[key]]
    return "; ".join(words)


REST = ((True, "met"), (False, "missed"), (None, "not measured"))


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
