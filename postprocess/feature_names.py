"""The names of the features, in order: the contract between fitting and running.

The first word of a name tells its group; radiomic features start with `shape` or a sequence.
14 of shape and 93 a sequence: 18 first-order, 24 GLCM, 14 GLDM, 16 GLRLM, 16 GLSZM and 5 NGTDM
(PyRadiomics' own classes and names, all that are not deprecated; van Griethuysen et al., Cancer
Research 2017). They are written out, so that another version of the extractor cannot add, drop or
move one unseen.
"""

from collections.abc import Iterable, Mapping, Sequence

from challenge.input_values import input_numbers
from challenge.scheme import Scheme

# What features are made from: images, labels, the ensemble's probabilities, its members' votes, and
# the numbers of the challenge's JSON inputs.
GROUPS = ("radiomic", "mask", "probability", "votes", "input")

# fmt: off
SHAPE = (
    "Elongation", "Flatness", "LeastAxisLength", "MajorAxisLength", "Maximum2DDiameterColumn",
    "Maximum2DDiameterRow", "Maximum2DDiameterSlice", "Maximum3DDiameter", "MeshVolume",
    "MinorAxisLength", "Sphericity", "SurfaceArea", "SurfaceVolumeRatio", "VoxelVolume",
)
INTENSITY: Mapping[str, tuple[str, ...]] = {
    "firstorder": (
        "10Percentile", "90Percentile", "Energy", "Entropy", "InterquartileRange", "Kurtosis",
        "Maximum", "MeanAbsoluteDeviation", "Mean", "Median", "Minimum", "Range",
        "RobustMeanAbsoluteDeviation", "RootMeanSquared", "Skewness", "TotalEnergy", "Uniformity",
        "Variance",
    ),
    "glcm": (
        "Autocorrelation", "ClusterProminence", "ClusterShade", "ClusterTendency", "Contrast",
        "Correlation", "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance", "Id", "Idm",
        "Idmn", "Idn", "Imc1", "Imc2", "InverseVariance", "JointAverage", "JointEnergy",
        "JointEntropy", "MCC", "MaximumProbability", "SumAverage", "SumEntropy", "SumSquares",
    ),
    "gldm": (
        "DependenceEntropy", "DependenceNonUniformity", "DependenceNonUniformityNormalized",
        "DependenceVariance", "GrayLevelNonUniformity", "GrayLevelVariance",
        "HighGrayLevelEmphasis", "LargeDependenceEmphasis", "LargeDependenceHighGrayLevelEmphasis",
        "LargeDependenceLowGrayLevelEmphasis", "LowGrayLevelEmphasis", "SmallDependenceEmphasis",
        "SmallDependenceHighGrayLevelEmphasis", "SmallDependenceLowGrayLevelEmphasis",
    ),
    "glrlm": (
        "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance",
        "HighGrayLevelRunEmphasis", "LongRunEmphasis", "LongRunHighGrayLevelEmphasis",
        "LongRunLowGrayLevelEmphasis", "LowGrayLevelRunEmphasis", "RunEntropy",
        "RunLengthNonUniformity", "RunLengthNonUniformityNormalized", "RunPercentage",
        "RunVariance", "ShortRunEmphasis", "ShortRunHighGrayLevelEmphasis",
        "ShortRunLowGrayLevelEmphasis",
    ),
    "glszm": (
        "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance",
        "HighGrayLevelZoneEmphasis", "LargeAreaEmphasis", "LargeAreaHighGrayLevelEmphasis",
        "LargeAreaLowGrayLevelEmphasis", "LowGrayLevelZoneEmphasis", "SizeZoneNonUniformity",
        "SizeZoneNonUniformityNormalized", "SmallAreaEmphasis", "SmallAreaHighGrayLevelEmphasis",
        "SmallAreaLowGrayLevelEmphasis", "ZoneEntropy", "ZonePercentage", "ZoneVariance",
    ),
    "ngtdm": (
        "Busyness", "Coarseness", "Complexity", "Contrast", "Strength",
    ),
}
OF_LABEL = ("Share", "Components", "ShareOutsideLargest", "LargestVolume")
OF_TUMOUR = (
    "Components", "ShareOutsideLargest", "MeanDistance", "LargestDistance", "SmallComponents",
)
OF_PROBABILITY = (
    "MeanInside", "MeanEntropy", "MeanOthers", "LeastComponentMean", "UncertainShare",
)
OF_VOTES = ("MeanDisagreement", "DoubtedShare", "LeastComponentMean")
# fmt: on


def feature_names(sequences: Sequence[str]) -> tuple[str, ...]:
    """Name every feature in order: `shape_VoxelVolume`, then `t1c_glcm_JointEntropy` and so on."""
    intensity = [
        f"{sequence}_{kind}_{name}"
        for sequence in sequences
        for kind, names in INTENSITY.items()
        for name in names
    ]
    return (*(f"shape_{name}" for name in SHAPE), *intensity)


def group_names(scheme: Scheme, group: str) -> tuple[str, ...]:
    """Name the features of one of GROUPS in order: `mask_ET_Share`, `votes_DoubtedShare`.

    Where a label is itself called tumour (PANTHER), what both tell is named once.
    """
    if group == "radiomic":
        return feature_names(scheme.sequences)
    if group == "mask":
        of_labels = [f"mask_{label}_{name}" for label in scheme.labels for name in OF_LABEL]
        return tuple(dict.fromkeys([*of_labels, *(f"mask_tumour_{name}" for name in OF_TUMOUR)]))
    if group == "input":
        return tuple(f"input_{name}" for name in input_numbers({}, scheme))
    endings = {"probability": OF_PROBABILITY, "votes": OF_VOTES}[group]
    return tuple(f"{group}_{name}" for name in endings)


def group_of(name: str) -> str:
    """Return which of GROUPS a feature belongs to."""
    prefix = name.split("_")[0]
    return prefix if prefix in GROUPS[1:] else "radiomic"


def needs_votes(names: Iterable[str]) -> bool:
    """Return whether any of these features is made from the votes of members."""
    return any(group_of(name) == "votes" for name in names)
