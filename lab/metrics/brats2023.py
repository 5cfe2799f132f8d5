"""BraTS 2023: GLI, SSA, MET, PED, MEN (lesion-wise Dice and HD95; rachitsaluja/BraTS-2023-Metrics).

Predictions are neither joined nor filtered: one stray voxel is one false lesion. All five score the
labels 1 NETC, 2 SNFH, 3 ET in the regions ET, TC, WT.
"""

from collections.abc import Mapping

from lab.metrics.lesionwise import Profile, ScoredRegion
from lab.metrics.pair import Region

PENALTY_MM = 374.0  # the diagonal of 240 x 240 x 155 mm, rounded up


def _profile(dilation: int, larger_than_mm3: float) -> Profile:
    values = {"ET": (3,), "TC": (1, 3), "WT": (1, 2, 3)}
    regions = {
        name: ScoredRegion(Region(of), dilation, larger_than_mm3) for name, of in values.items()
    }
    return Profile(regions, PENALTY_MM, nsd=False)


PROFILES: Mapping[str, Profile] = {
    "gli": _profile(dilation=3, larger_than_mm3=50),
    "ssa": _profile(dilation=3, larger_than_mm3=50),
    "ped": _profile(dilation=3, larger_than_mm3=50),
    "met": _profile(dilation=1, larger_than_mm3=2),
    "men": _profile(dilation=1, larger_than_mm3=50),
}
