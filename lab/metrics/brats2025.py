"""BraTS 2024 and 2025: GLI, SSA, PED, MET, MEN, MEN-RT (rachitsaluja/BraTS-2024-Metrics).

Predicted pieces are joined as the reference's are, then small ones are deleted, in voxels whatever
the spacing; touching tissues merge lesions; 2025 adds NSD. 2024 is 2025 without NSD and MEN; MET
then had fewer regions and a fixed penalty.
"""

from collections.abc import Mapping
from dataclasses import replace

from lab.metrics.lesionwise import Profile, ScoredRegion
from lab.metrics.pair import Region

PENALTY_GLI_MM = 337.0  # the diagonal of 182 x 218 x 182 mm, rounded down
PENALTY_MM = 374.0  # that of 240 x 240 x 155 mm, rounded up

ET, TC, WT = Region((3,)), Region((1, 3)), Region((1, 2, 3), is_range=True)
NETC, SNFH, RC = Region((1,)), Region((2,)), Region((4,))


def _gli() -> Profile:
    # SNFH keeps 3 although 5 was meant: the script asks for "SFNH".
    regions = {
        "ET": ScoredRegion(ET, 3, 10, 10),
        "NETC": ScoredRegion(NETC, 5, 20, 20),
        "RC": ScoredRegion(RC, 5, 20, 20),
        "SNFH": ScoredRegion(SNFH, 3, 20, 20),
        "TC": ScoredRegion(TC, 3, 20, 20),
        "WT": ScoredRegion(WT, 3, 20, 20),
    }
    merge_with = {
        "NETC": ("ET", "RC"),
        "ET": ("NETC", "RC"),
        "RC": ("ET", "NETC"),
        "SNFH": ("ET", "RC", "NETC"),
    }
    return Profile(regions, PENALTY_GLI_MM, merge_with)


def _with_et_by_netc(dilation: int, floor: float, rc: bool, penalty_mm: float | None) -> Profile:
    """SSA and MET: ET lesions that touch one NETC lesion are one; NETC itself is not reported."""
    scored = {"ET": ET, "TC": TC, "WT": WT} | ({"RC": RC} if rc else {})
    regions = {name: ScoredRegion(r, dilation, floor, floor) for name, r in sorted(scored.items())}
    regions["NETC"] = ScoredRegion(NETC, dilation, floor, floor, reported=False)
    return Profile(regions, penalty_mm, {"ET": ("NETC",)})


def _ped() -> Profile:
    values = {
        "CC": Region((3,)),
        "ED": Region((4,)),
        "ET": Region((1,)),
        "NETC": Region((2,)),
        "TC": Region((1, 2, 3), is_range=True),
        "WT": Region((1, 2, 3, 4), is_range=True),
    }
    return Profile({name: ScoredRegion(r, 5, 10, 10) for name, r in values.items()}, PENALTY_MM)


def _men() -> Profile:
    """2023's algorithm with NSD: no joining, no deleting, WT by its values."""
    regions = {"ET": ET, "TC": TC, "WT": Region((1, 2, 3))}
    return Profile({name: ScoredRegion(r, 1, 50) for name, r in regions.items()}, PENALTY_MM)


def _men_rt() -> Profile:
    """Radiotherapy volumes in native space: false lesions are counted but cost nothing."""
    regions = {"GTV": ScoredRegion(Region((1,)), 1, 50, 50)}
    return Profile(regions, None, counts_false_lesions=False, min_size_is_mm3=True)


PROFILES_2025: Mapping[str, Profile] = {
    "gli": _gli(),
    "ssa": _with_et_by_netc(3, 50, rc=False, penalty_mm=PENALTY_MM),
    "ped": _ped(),
    "met": _with_et_by_netc(1, 2, rc=True, penalty_mm=None),
    "men": _men(),
    "men-rt": _men_rt(),
}

PROFILES_2024: Mapping[str, Profile] = {
    **{name: replace(PROFILES_2025[name], nsd=False) for name in ("gli", "ssa", "ped", "men-rt")},
    "met": replace(_with_et_by_netc(1, 2, rc=False, penalty_mm=PENALTY_MM), nsd=False),
}
