"""What a challenge is, as data: one `Scheme` holds every fact about it that the program needs.

`challenge.challenges` has one file a challenge, and says how to add one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from challenge.limits import TIME_LIMIT_S

MRI_SEQUENCES = ("t1n", "t1c", "t2w", "t2f")
Regions = Mapping[str, tuple[str, ...]]
Shares = Mapping[str, tuple[float, float]]
# How training cases are recognised in a folder; `lab.data.sources` maps each to a function.
# brats: <ID>-t1n.nii.gz ... and <ID>-seg.nii.gz; paired: images in one folder, label maps of the
# same names in another; bids: sub-<ID>[_ses-<ID>]<image ending> and <mask ending>, at any depth.
Finder = Literal["brats", "paired", "bids"]
ANY = "*"  # of `Scheme.shared_prefixes`: its cases may be named as any challenge's


OutputKind = Literal["labels", "probability", "value"]
Resampling = Literal["", "nearest", "linear", "bspline"]


@dataclass(frozen=True)
class InputSocket:
    """One input of grand-challenge: an image, or a JSON value.

    An image is one sequence of the case. A value is kept for the run record, and its numbers are
    offered to rules as features.
    """

    slug: str
    sequence: str = ""  # that the image is; "": a JSON value
    path: Path | None = None  # relative to the input folder; None: where the platform puts it
    is_optional: bool = False  # whether a case may lack it
    # How an image on another grid is brought to the grid of the geometry reference; "": it may not
    # lie on another grid.
    resampling: Resampling = ""
    # Entries of a JSON object that are features, and the number that stands for one that is
    # missing, null or no number; nested ones with a dot between.
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_image(self) -> bool:
        """Return whether it is an image, not a JSON value."""
        return bool(self.sequence)

    @property
    def location(self) -> Path:
        """Return the folder of the image, or the JSON file, relative to the input folder."""
        usual = Path("images", self.slug) if self.is_image else Path(f"{self.slug}.json")
        return self.path or usual


@dataclass(frozen=True)
class OutputSocket:
    """One output of grand-challenge: a label map, the probability of a region, or a JSON value."""

    slug: str
    kind: OutputKind = "labels"
    path: Path | None = None  # relative to the output folder; None: where the platform looks
    labels: Mapping[str, int] = field(default_factory=dict)  # of a label map; {}: as `written` says
    region: str = ""  # that a probability or a value is of
    value: str = ""  # a name in `challenge.output_values.VALUES`

    @property
    def location(self) -> Path:
        """Return the folder of the image, or the JSON file, relative to the output folder."""
        usual = Path(f"{self.slug}.json") if self.kind == "value" else Path("images", self.slug)
        return self.path or usual


@dataclass(frozen=True)
class TrainingLayout:
    """One way in which training cases are handed out: `lab prepare --source NAME=DIR`."""

    title: str  # in messages
    labels: Mapping[int, str]  # value in the files -> label of the scheme, "" is background
    finder: Finder = "brats"
    # Regular expression of its cases' ids; "": the challenge's prefixes, or none.
    case_names: str = ""
    images_folder: str = ""  # of a paired layout
    labels_folders: tuple[str, ...] = ()  # of a paired layout; a later one's files count
    image_ending: str = ""  # of a bids layout: of image names, without .nii.gz
    mask_ending: str = ""  # of a bids layout
    # Of a bids layout: of the .csv beside an image with the numbers of the JSON inputs; "": none.
    table_ending: str = ""
    # Label of every value above 0 in masks that hold 255 or 1.00000006; "": values are `labels`'.
    positive_label: str = ""
    # Whether a mask on another grid is brought onto its image's, by nearest neighbour, or refused.
    resamples_masks: bool = False
    # What nnU-Net calls the one channel where that decides its normalisation, CT; "": the sequence.
    channel: str = ""


@dataclass(frozen=True)
class Scheme:
    """One challenge: labels, regions, sequences, names of cases, platform, scoring, training data.

    Labels may have any values from 1 to 255, gaps included. What has a default may be left out.
    """

    name: str
    labels: Mapping[str, int]  # label -> value in the challenge's files
    regions: Regions  # sets of labels that are scored together
    sequences: tuple[str, ...]
    tumour: str  # the region that rules call "the tumour" and that features describe
    whole: str  # the region that `usual_share` is a share of
    written: tuple[str, ...]  # labels that go into the output file; others become background
    # What to try, in order, when no tumour is left; () where an empty answer may be right.
    when_empty: tuple[str, ...] = ()
    usual_share: Shares = field(default_factory=dict)  # label -> least and most of `whole`
    # A case is named <prefix>-<digits> or <prefix>-<digits>-<digits>; "": names say nothing.
    case_prefix: str = ""
    # Prefixes of other challenges under which its cases are handed out too, or ANY.
    shared_prefixes: tuple[str, ...] = ()
    inputs: tuple[InputSocket, ...] = ()  # (): cases lie in a BraTS folder
    outputs: tuple[OutputSocket, ...] = ()  # the first one is the label map
    # Whether input sockets that the description does not name are passed over, or refused.
    ignores_further_inputs: bool = False
    geometry_from: str = ""  # the sequence whose geometry outputs take; "": the first one
    file_ending: str = ".nii.gz"  # of the challenge's images and labels
    # Of labels with this ending whose names speak of no challenge, it is taken for theirs.
    is_default_of_ending: bool = False
    time_limit_s: float = TIME_LIMIT_S["brats-folder"]  # for an input folder
    default_scorer: str = "voxel"  # a name in lab.metrics.scorers.SCORERS, or "voxel"
    selection_objective: str = "overlap"  # what `lab select` maximises where nobody says
    # nnU-Net's regions_class_order, outermost first: a region, and the label that is painted where
    # no region inside it is seen; () where labels are not nested.
    training_regions: tuple[tuple[str, str], ...] = ()
    layouts: Mapping[str, TrainingLayout] = field(default_factory=dict)
    # Label -> least and most of `whole` in a cohort's median case, unless values are swapped.
    median_share: Shares = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)  # field -> who says so

    @property
    def has_sockets(self) -> bool:
        """Return whether cases come from grand-challenge's sockets, not from a BraTS folder."""
        return bool(self.inputs)

    @property
    def image_sockets(self) -> tuple[InputSocket, ...]:
        """Return the sockets of images."""
        return tuple(socket for socket in self.inputs if socket.is_image)

    def mask(self, labels: np.ndarray, region: str) -> np.ndarray:
        """Return the bool mask of a region or of a single label, by name."""
        names = self.regions.get(region, (region,))
        return np.isin(labels, [self.labels[name] for name in names])
