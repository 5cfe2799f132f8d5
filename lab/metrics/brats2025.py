"""BraTS 2024 and 2025: GLI, SSA, PED, MET, MEN, MEN-RT (rachitsaluja/BraTS-2024-Metrics).

Predicted pieces are joined as the reference's are, then small ones are deleted, in voxels whatever
the spacing; touching tissues merge lesions; 2025 adds NSD. 2024 is 2025 without NSD and MEN; MET
then had fewer regions and a fixed penalty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from challenge.scheme import SCHEMES, Scheme
from lab.metrics.lesionwise import Profile, ScoredRegion
from lab.metrics.pair import Region

PENALTY_GLI_MM = 337.0  # the diagonal of 182 x 218 x 182 mm, rounded down
PENALTY_MM = 374.0  # that of 240 x 240 x 155 mm, rounded up


def _gli() -> Profile:
    scheme = SCHEMES["brats-gli"]
    # SNFH keeps dilation 3 although 5 was meant: the script asks for "SFNH".
    numbers = {
        "ET": (3, 10),
        "NETC": (5, 20),
        "RC": (5, 20),
        "SNFH": (3, 20),
        "TC": (3, 20),
        "WT": (3, 20),
    }
    regions = {
        name: ScoredRegion(Region.of(scheme, name, name == "WT"), dilation, size, size)
        for name, (dilation, size) in numbers.items()
    }
    merge_with = {
        "NETC": ("ET", "RC"),
        "ET": ("NETC", "RC"),
        "RC": ("ET", "NETC"),
        "SNFH": ("ET", "RC", "NETC"),
    }
    return Profile(regions, PENALTY_GLI_MM, merge_with)


def _with_et_by_netc(
    scheme: Scheme, names: Sequence[str], dilation: int, size: float, penalty_mm: float | None
) -> Profile:
    """SSA and MET: ET lesions that touch one NETC lesion are one; NETC itself is not reported."""
    regions = {
        name: ScoredRegion(
            Region.of(scheme, name, name == "WT"), dilation, size, size, reported=name in names
        )
        for name in (*names, "NETC")
    }
    return Profile(regions, penalty_mm, {"ET": ("NETC",)})


def _ped() -> Profile:
    scheme = SCHEMES["brats-ped"]
    regions = {
        name: ScoredRegion(Region.of(scheme, name, is_range=name in ("TC", "WT")), 5, 10, 10)
        for name in ("CC", "ED", "ET", "NETC", "TC", "WT")
    }
    return Profile(regions, PENALTY_MM)


def _men() -> Profile:
    """2023's algorithm with NSD: no joining, no deleting, WT by its values."""
    scheme = SCHEMES["brats-men"]
    regions = {name: ScoredRegion(Region.of(scheme, name), 1, 50) for name in ("ET", "TC", "WT")}
    return Profile(regions, PENALTY_MM)


def _men_rt() -> Profile:
    """Radiotherapy volumes in native space: false lesions are counted but cost nothing."""
    regions = {"GTV": ScoredRegion(Region.of(SCHEMES["brats-men-rt"], "GTV"), 1, 50, 50)}
    return Profile(regions, None, counts_false_lesions=False, min_size_is_mm3=True)


PROFILES_2025: Mapping[str, Profile] = {
    "gli": _gli(),
    "ssa": _with_et_by_netc(SCHEMES["brats-ssa"], ("ET", "TC", "WT"), 3, 50, PENALTY_MM),
    "ped": _ped(),
    "met": _with_et_by_netc(SCHEMES["brats-met-2025"], ("ET", "RC", "TC", "WT"), 1, 2, None),
    "men": _men(),
    "men-rt": _men_rt(),
}

PROFILES_2024: Mapping[str, Profile] = {
    **{name: replace(PROFILES_2025[name], nsd=False) for name in ("gli", "ssa", "ped", "men-rt")},
    "met": replace(
        _with_et_by_netc(SCHEMES["brats-met"], ("ET", "TC", "WT"), 1, 2, PENALTY_MM), nsd=False
    ),
}
