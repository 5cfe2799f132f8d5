"""Feature vectors of a cohort's predictions, by case and by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from challenge.refusal import Refusal


@dataclass(frozen=True)
class FeatureTable:
    """One row a case. A case that has no features has a row of NaN and the reason why."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    rows: np.ndarray  # (case, feature) float64
    reasons: tuple[str, ...]  # "" for a case with features

    @property
    def described(self) -> np.ndarray:
        """Which cases have features; (case,) bool."""
        return np.array([reason == "" for reason in self.reasons])

    def named(self, names: Sequence[str]) -> "FeatureTable":
        """Return the table of some features, in the order of their names."""
        at = {name: i for i, name in enumerate(self.names)}
        if unknown := [name for name in names if name not in at]:
            raise Refusal(f"{unknown[0]!r} is not one of the table's {len(at)} features")
        return replace(self, names=tuple(names), rows=self.rows[:, [at[name] for name in names]])


def save_table(table: FeatureTable, path: Path) -> None:
    """Write a table as npz: plain arrays, nothing pickled."""
    np.savez_compressed(
        path,
        ids=np.array(table.ids, str),
        names=np.array(table.names, str),
        rows=table.rows,
        reasons=np.array(table.reasons, str),
    )


def load_table(path: Path) -> FeatureTable:
    """Read a table.

    Raises:
        Refusal: the file is no feature table; the message names it.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            ids, names, reasons = (
                tuple(archive[name].tolist()) for name in ("ids", "names", "reasons")
            )
            rows = archive["rows"]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise Refusal(f"{path}: no feature table ({error})") from error
    if rows.shape != (len(ids), len(names)) or len(reasons) != len(ids):
        raise Refusal(f"{path}: rows {rows.shape} for {len(ids)} cases, {len(names)} features")
    return FeatureTable(ids, names, rows, reasons)


def informative(
    table: FeatureTable, drops_constant: bool
) -> tuple[FeatureTable, dict[str, list[str]]]:
    """Drop features that are not finite somewhere or, with `drops_constant`, the same everywhere.

    Returns:
        The table of the others, and the names that were dropped, by reason.

    Raises:
        Refusal: no case has features, or none of them varies.
    """
    rows = table.rows[table.described]
    if len(rows) == 0:
        raise Refusal(f"none of {len(table.ids)} predictions has a tumour to describe")
    finite = np.isfinite(rows).all(0)
    spread = np.ptp(np.where(finite, rows, 0.0), axis=0)
    # Sums over a volume differ in the last digits where their values are alike.
    varies = spread > 1e-9 * np.abs(np.where(finite, rows, 0.0)).max(0)
    if not (finite & varies).any():
        raise Refusal(f"none of {len(table.names)} features varies: are all cases alike?")
    names, is_used = np.array(table.names), finite & (varies | (not drops_constant))
    dropped = {
        "not finite": names[~finite].tolist(),
        "constant": names[finite & ~is_used].tolist(),
    }
    return table.named(names[is_used].tolist()), dropped
