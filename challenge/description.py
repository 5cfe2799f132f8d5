"""What a challenge is, as data: one `Scheme` holds every fact about it that the program needs.

`challenge.challenges` has the table of them, and says how to add one.
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


@dataclass(frozen=True)
class Socket:
    """grand-challenge's image input, and the folder that the labels go to."""

    slug: str
    output: Path  # folder relative to the output folder

    @property
    def folder(self) -> Path:
        """Return where the image lies, relative to the input folder."""
        return Path("images", self.slug)


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
    socket: Socket | None = None  # None: cases lie in a BraTS folder
    file_ending: str = ".nii.gz"  # of the challenge's images and labels
    time_limit_s: float = TIME_LIMIT_S["brats-folder"]  # for an input folder
    default_scorer: str = "voxel"  # a name in lab.metrics.scorers.SCORERS, or "voxel"
    selection_objective: str = "overlap"  # what `lab select` maximises where nobody says
    # nnU-Net's regions_class_order, outermost first: a region, and the label that is painted where
    # no region inside it is seen; () where labels are not nested.
    training_regions: tuple[tuple[str, str], ...] = ()
    layouts: Mapping[str, TrainingLayout] = field(default_factory=dict)
    # Label -> least and most of `whole` in a cohort's median case, unless values are swapped.
    median_share: Shares = field(default_factory=dict)

    def mask(self, labels: np.ndarray, region: str) -> np.ndarray:
        """Return the bool mask of a region or of a single label, by name."""
        names = self.regions.get(region, (region,))
        return np.isin(labels, [self.labels[name] for name in names])
