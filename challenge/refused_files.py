"""Files that ITK reads, and so stock nnU-Net, and that are refused here: which, and why."""

from enum import Enum


class Because(Enum):
    """Why a file is refused, by `challenge.headers` or `challenge.case`."""

    TOO_LARGE = (
        "the header alone decides how much memory is used, and one case must not take it all"
    )
    LONG_HEADER = "no scanner writes so much before the voxels, and all of it would be parsed"
    NO_MAGIC = "without it ITK reads Analyze: without an affine, left and right unknown"
    IN_HEADER = "ITK lets voxels begin at byte 348 then, nibabel and SPM at 352"
    NOT_3D = "plans are of volumes; stock nnU-Net would take a fourth axis for sequences"
    NO_VOXELS = "ITK takes a side of 0 or less for 1 in NIfTI, and gives an empty MetaImage"
    NOT_GREY = "colours, vectors, complex numbers have no grey level; ITK turns displacements round"
    NO_NUMBER = "MetaIO takes 0 for what it cannot read, or goes on in the next line"
    NO_SPACING = "ITK takes 1 mm for a spacing that is missing, 0 or no number"
    SPACING = "no scan of a body part: a unit was mistaken, and volumes would be wrong"
    DEGENERATE_AFFINE = "axes that are no numbers or span no volume: no resampling, no distance"
    ELSEWHERE = "a header may name any file of the system, and platforms hand in one file a scan"
    NOT_FINITE = "ITK reads 0 in NIfTI and NaN in MetaImage, of which every answer becomes NaN"
    CONSTANT = "an image without contrast shows nothing, and normalisation makes it noise"
    LABEL_MAP = "a mask handed in as a scan is a slip, and any answer to it looks like one"
    FEW_VOXELS = "damaged or cut off: ITK goes on with what lies in memory, silently"
