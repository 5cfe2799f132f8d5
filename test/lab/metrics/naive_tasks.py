"""The parameters of the lesion-wise BraTS scorers, typed from their description a second time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tissue:
    """Label values scored together, and the limits of their lesions."""

    values: set[int]
    dilation: int
    floor: int  # a reference lesion counts above this many mm3
    is_reported: bool = True


@dataclass(frozen=True)
class Task:
    """One column of the table of scorers."""

    tissues: dict[str, Tissue]
    penalty_mm: float | None  # None: the image's diagonal in voxels
    deletes: bool = True  # predicted pieces are joined, and deleted up to the floor
    merges: dict[str, list[str]] | None = None  # A by B, then by C
    has_nsd: bool = True
    false_ones_cost: bool = True
    predicted_floor_is_mm3: bool = False


def _three(dilation: int, floor: int) -> dict[str, Tissue]:
    values = {"ET": {3}, "TC": {1, 3}, "WT": {1, 2, 3}}
    return {name: Tissue(of, dilation, floor) for name, of in values.items()}


def _old(dilation: int, floor: int, has_nsd: bool = False) -> Task:
    return Task(_three(dilation, floor), 374, deletes=False, has_nsd=has_nsd)


def _new(dilation: int, floor: int, has_nsd: bool) -> Task:
    tissues = {**_three(dilation, floor), "NETC": Tissue({1}, dilation, floor, is_reported=False)}
    return Task(tissues, 374, merges={"ET": ["NETC"]}, has_nsd=has_nsd)


def _gli(has_nsd: bool) -> Task:
    tissues = {
        "WT": Tissue({1, 2, 3}, 3, 20),
        "TC": Tissue({1, 3}, 3, 20),
        "ET": Tissue({3}, 3, 10),
        "SNFH": Tissue({2}, 3, 20),
        "NETC": Tissue({1}, 5, 20),
        "RC": Tissue({4}, 5, 20),
    }
    merges = {
        "NETC": ["ET", "RC"],
        "ET": ["NETC", "RC"],
        "RC": ["ET", "NETC"],
        "SNFH": ["ET", "RC", "NETC"],
    }
    return Task(tissues, 337, merges=merges, has_nsd=has_nsd)


def _ped(has_nsd: bool) -> Task:
    values = {"WT": {1, 2, 3, 4}, "TC": {1, 2, 3}, "ET": {1}, "NETC": {2}, "CC": {3}, "ED": {4}}
    return Task({n: Tissue(of, 5, 10) for n, of in values.items()}, 374, has_nsd=has_nsd)


def _men_rt(has_nsd: bool) -> Task:
    tissues = {"GTV": Tissue({1}, 1, 50)}
    return Task(tissues, None, has_nsd=has_nsd, false_ones_cost=False, predicted_floor_is_mm3=True)


def _met_2025() -> Task:
    met = _new(1, 2, has_nsd=True)
    return Task({**met.tissues, "RC": Tissue({4}, 1, 2)}, None, merges=met.merges)


TASKS = {
    "2023-gli": _old(3, 50),
    "2023-ssa": _old(3, 50),
    "2023-ped": _old(3, 50),
    "2023-met": _old(1, 2),
    "2023-men": _old(1, 50),
    "2024-gli": _gli(has_nsd=False),
    "2024-ssa": _new(3, 50, has_nsd=False),
    "2024-ped": _ped(has_nsd=False),
    "2024-met": _new(1, 2, has_nsd=False),
    "2024-men-rt": _men_rt(has_nsd=False),
    "2025-gli": _gli(has_nsd=True),
    "2025-ssa": _new(3, 50, has_nsd=True),
    "2025-ped": _ped(has_nsd=True),
    "2025-met": _met_2025(),
    "2025-men": _old(1, 50, has_nsd=True),
    "2025-men-rt": _men_rt(has_nsd=True),
}

# GoAT: the cohort that a case came from -> the scorer of its cases. In 2024 the one program of
# 2023, asked by the cohort's name; in 2025 each cohort's own program of that year.
GOAT = {
    "2024-goat": {
        "GLI": "2023-gli",
        "MEN": "2023-men",
        "MET": "2023-met",
        "PED": "2023-ped",
        "SSA": "2023-ssa",
    },
    "2025-goat": {
        "GLI": "2025-gli",
        "MEN": "2025-men",
        "MET": "2025-met",
        "PED": "2025-ped",
        "SSA": "2025-ssa",
    },
}

# 2026: regions by label values, one configuration a task (config_GoAT, config_MenPre, ...).
INSTANCES = {
    "2026-goat": {"ET": {3}, "TC": {1, 3}, "WT": {1, 2, 3}},
    "2026-men": {"ET": {3}, "TC": {1, 3}, "WT": {1, 2, 3}},
    "2026-men-rt": {"GTV": {1}},
    "2026-gli": {
        "ET": {3},
        "TC": {1, 3},
        "WT": {1, 2, 3},
        "NETC": {1},
        "SNFH": {2},
        "RC": {4},
    },
    "2026-ped": {
        "ET": {1},
        "NETC": {2},
        "CC": {3},
        "ED": {4},
        "TC": {1, 2, 3},
        "WT": {1, 2, 3, 4},
    },
}
