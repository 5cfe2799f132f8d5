"""One rule that is tried: one grid point a threshold, 0 for no rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.rule_search.config import LOWERING, Point, RuleType
from lab.rule_search.sparing import SIZE_OR, spare_of
from postprocess.rule_base import Input, Rule
from postprocess.rules_by_component import RemoveComponent
from postprocess.rules_by_probability import AddForDice, AddMoreProbable, AddProbable
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

SIZES: Mapping[str, tuple[str, type]] = {
    "voxels": ("min_voxels", int),
    "mm3": ("min_volume_mm3", float),
}
UNITS = {"mm3": " mm3", "voxels": " voxels"}
TITLES: Mapping[RuleType, str] = {
    "size": "{name} components below a size become {becomes}",
    "share": "{name} becomes {becomes} below a share",
    "more probable": "{name} takes voxels of {other} that it is more probable in, as {becomes}",
    "region threshold": "{name} takes voxels from a probability on, as {becomes}",
    "threshold": "{name} takes voxels from a probability on",
    "dice": "{name} takes voxels that raise its expected Dice",
}


@dataclass(frozen=True)
class SearchParameter:
    """One rule whose threshold is searched for, or whose two are."""

    label: str  # "" where `region` is set
    region: str
    becomes: str
    # voxels | mm3 | mm | share | probability | none; of a size and a peak, that of the size
    unit: str
    grid: tuple[Point, ...]  # the smaller intervention first; grid[0] is 0, or (0, 0): no rule
    rule_type: RuleType = "size"
    other: str = ""  # label or region that a predicate is also about

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "SearchParameter":
        """Read what `to_json` gives."""
        grid = tuple(tuple(point) if isinstance(point, list) else point for point in row["grid"])
        rule_type, other = row["rule_type"], row.get("other", "")
        return cls(row["label"], row["region"], row["becomes"], row["unit"], grid, rule_type, other)

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the title for people."""
        return {**vars(self), "title": self.title}

    @property
    def name(self) -> str:
        """The label or region."""
        return self.label or self.region

    @property
    def required_inputs(self) -> frozenset[Input]:
        """What a case must have beside labels; without it the rule is skipped."""
        if self.rule_type in LOWERING:
            return frozenset({"probabilities"})
        spare = spare_of(self.rule_type)
        return spare.requires if spare else frozenset()

    @property
    def takes(self) -> tuple[int, bool]:
        """What sorts rules by how much they take: inputs, then more than sizes and shares."""
        return len(self.required_inputs), self.rule_type not in ("size", "share")

    @property
    def title(self) -> str:
        """Return the parameter in words."""
        if spare := spare_of(self.rule_type):
            size = "below a size and " if self._is_sized else ""
            fails = spare.title.format(other=self.other)
            return f"{self.name} components {size}{fails} become {self.becomes}"
        words = {"name": self.name, "becomes": self.becomes, "other": self.other}
        return TITLES[self.rule_type].format(**words)

    def rule(self, grid_index: int) -> Rule | None:
        """Return the rule at a grid point; None at 0."""
        if grid_index == 0:
            return None
        point = self.grid[grid_index]
        if spare := spare_of(self.rule_type):
            size, threshold = self._size_and_threshold(point)
            spares = self._size_spares(size) if self._is_sized else {}
            spares |= spare.condition(threshold, self.other)
            return RemoveComponent(self.label, self.becomes, region=self.region, unless_any=spares)
        assert not isinstance(point, tuple)
        if self.rule_type == "more probable":
            subject = {"becomes": self.becomes, "region": self.region}
            return AddMoreProbable(self.label, than=self.other, **subject)
        if self.rule_type in ("threshold", "region threshold"):
            subject = {"becomes": self.becomes, "region": self.region}
            return AddProbable(self.label, min_probability=point, **subject)
        if self.rule_type == "dice":
            return AddForDice(self.label)
        if self.rule_type == "share":
            return RelabelMinor(self.label, self.becomes, float(point))
        sizes = self._size_spares(point)
        return RemoveSmall(self.label, self.becomes, region=self.region, **sizes)

    def in_words(self, grid_index: int) -> str:
        """Return the rule at a grid point, which is not 0, in words."""
        point = self.grid[grid_index]
        if spare := spare_of(self.rule_type):
            size, threshold = self._size_and_threshold(point)
            fails = spare.clause.format(value=threshold, other=self.other)
            if self._is_sized:
                fails = f"< {size:g}{UNITS[self.unit]} and {fails.removeprefix('of ')}"
            return f"{self.name} components {fails} -> {self.becomes}"
        if self.rule_type in ("threshold", "region threshold"):
            painted = f" as {self.becomes}" if self.region else ""
            return f"{self.name} takes voxels of probability >= {point:g}{painted}"
        if self.rule_type in ("dice", "more probable"):
            return self.title
        subject = "share" if self.rule_type == "share" else "components"
        return f"{self.name} {subject} < {point:g}{UNITS.get(self.unit, '')} -> {self.becomes}"

    def point_in_words(self, grid_index: int) -> str:
        """Return the threshold of a grid point without its unit, of two both."""
        point = self.grid[grid_index]
        return f"{point[0]:g}, {point[1]:g}" if isinstance(point, tuple) else f"{point:g}"

    @property
    def _is_sized(self) -> bool:
        """Whether a size spares components too."""
        return self.rule_type.startswith(SIZE_OR)

    def _size_and_threshold(self, point: Point) -> tuple[float, float]:
        """Return both of a grid point; what has no threshold, or no size, repeats the point."""
        return point if isinstance(point, tuple) else (point, point)

    def _size_spares(self, size: float) -> dict[str, Any]:
        key, number = SIZES[self.unit]
        return {key: number(size)}
