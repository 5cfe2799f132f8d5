"""The BraTS challenges: four MRI sequences a case, a folder a case, components scored apart."""

from collections.abc import Mapping
from functools import partial

from challenge.description import ANY, MRI_SEQUENCES, Scheme, TrainingLayout

_THREE = {"NETC": 1, "SNFH": 2, "ET": 3}  # BraTS numbers them so since 2023
_FOUR = _THREE | {"RC": 4}
_PEDIATRIC_LABELS = {"ET": 1, "NETC": 2, "CC": 3, "ED": 4}
_GLIOMA = {"WT": ("NETC", "SNFH", "ET"), "TC": ("NETC", "ET"), "ET": ("ET",)}
# Resection cavity is not tumour: WT leaves it out (BraTS 2024 GLI scorer).
_POST = _GLIOMA | {"NETC": ("NETC",), "SNFH": ("SNFH",), "RC": ("RC",)}
_PEDIATRIC = {
    "WT": ("ET", "NETC", "CC", "ED"),
    "TC": ("ET", "NETC", "CC"),
    "ET": ("ET",),
    "NETC": ("NETC",),
    "CC": ("CC",),
    "ED": ("ED",),
}
_NESTED = (("WT", "SNFH"), ("TC", "NETC"), ("ET", "ET"))
# Oedema is the bulk of nearly every glioma and the necrotic core seldom is.
_GLIOMA_SHARE = {"NETC": (0.0, 0.6), "SNFH": (0.15, 1.0), "ET": (0.0, 0.75)}
# Metastases are small and the generalisability cohort mixes them in: only a core without oedema
# of this size is out of the ordinary. Meningiomas enhance, and have little necrosis.
_MIXED_SHARE = {"NETC": (0.0, 0.7), "SNFH": (0.02, 1.0)}
_MENINGIOMA_SHARE = {"NETC": (0.0, 0.6), "ET": (0.02, 1.0)}
_PEDIATRIC_SHARE = {"ET": (0.0, 0.9), "CC": (0.0, 0.6), "ED": (0.0, 0.7)}


def _layout(title: str, labels: Mapping[str, int]) -> TrainingLayout:
    """Return a layout whose files hold the challenge's own values."""
    return TrainingLayout(title, {value: name for name, value in labels.items()})


_brats = partial(Scheme, sequences=MRI_SEQUENCES, tumour="WT", whole="WT")
# Three labels, all written.
_glioma = partial(
    _brats, labels=_THREE, regions=_GLIOMA, written=tuple(_THREE), training_regions=_NESTED
)
# With the resection cavity of cases after treatment.
_post = partial(
    _brats,
    labels=_FOUR,
    regions=_POST,
    written=tuple(_FOUR),
    training_regions=(*_NESTED, ("RC", "RC")),
)

CHALLENGES = (
    _post(
        name="brats-gli",  # 2024 and on
        usual_share=_GLIOMA_SHARE,
        case_prefix="BraTS-GLI",
        default_scorer="2025-gli",
        layouts={"brats-gli": _layout("BraTS 2024 and later", _FOUR)},
    ),
    _glioma(
        name="brats-gli-2023",
        usual_share=_GLIOMA_SHARE,
        shared_prefixes=("BraTS-GLI",),
        default_scorer="2023-gli",
        layouts={
            "brats-gli-2023": _layout("BraTS 2023", _THREE),
            "brats-2021": TrainingLayout(
                "BraTS 2017 to 2021",
                {1: "NETC", 2: "SNFH", 4: "ET"},
                case_names=r"(?i:brats(17|18|19|20|2021)_.+)",
            ),
        },
    ),
    _glioma(
        name="brats-ssa",
        usual_share=_GLIOMA_SHARE,
        case_prefix="BraTS-SSA",
        default_scorer="2025-ssa",
        layouts={"brats-ssa": _layout("BraTS-Africa", _THREE)},
    ),
    _glioma(
        name="brats-met",
        usual_share=_MIXED_SHARE,
        shared_prefixes=("BraTS-MET",),
        default_scorer="2024-met",
        layouts={"brats-met": _layout("BraTS metastases 2023", _THREE)},
    ),
    _post(
        name="brats-met-2025",
        usual_share=_MIXED_SHARE,
        case_prefix="BraTS-MET",
        default_scorer="2025-met",
        layouts={"brats-met-2025": _layout("BraTS metastases 2025, 2026", _FOUR)},
    ),
    _glioma(
        name="brats-men",
        usual_share=_MENINGIOMA_SHARE,
        case_prefix="BraTS-MEN",
        default_scorer="2025-men",
        layouts={"brats-men": _layout("BraTS meningioma", _THREE)},
    ),
    _glioma(
        name="brats-goat",
        usual_share=_MIXED_SHARE,
        case_prefix="BraTS-GoAT",
        shared_prefixes=(ANY,),  # the names of the cohorts that its cases were taken from
        default_scorer="2026-goat",
        layouts={"brats-goat": _layout("BraTS generalisability", _THREE)},
    ),
    Scheme(  # radiotherapy: one planning scan, one target volume
        name="brats-men-rt",
        labels={"GTV": 1},
        regions={"GTV": ("GTV",)},
        sequences=("t1c",),
        tumour="GTV",
        whole="GTV",
        written=("GTV",),
        case_prefix="BraTS-MEN-RT",
        default_scorer="2025-men-rt",
        layouts={"brats-men-rt": TrainingLayout("BraTS meningioma for radiotherapy", {1: "GTV"})},
    ),
    _brats(
        name="brats-ped",
        labels=_PEDIATRIC_LABELS,
        regions=_PEDIATRIC,
        written=tuple(_PEDIATRIC_LABELS),
        usual_share=_PEDIATRIC_SHARE,
        case_prefix="BraTS-PED",
        default_scorer="2025-ped",
        training_regions=(("WT", "ED"), ("TC", "NETC"), ("ET", "ET"), ("CC", "CC")),
        layouts={"brats-ped": _layout("BraTS pediatrics", _PEDIATRIC_LABELS)},
    ),
)
