"""The networks that benches run, of published size, and how many tiles their cases take."""

from ensemble.manifest import verify_model
from ensemble.preprocess import find_nonzero_region, preprocessed_shape
from ensemble.sliding_window import count_tiles
from lab.bench.processes import Subject
from lab.training.random_networks import read_case_of

GLIOMA, GLIOMA_PATCH = "plain-6", (128, 160, 112)
RESENC_L, RESENC_L_PATCH = "resenc-l", (192, 192, 192)


def tiles_of(subject: Subject) -> int:
    """Return how many tiles the first case takes, from its plan."""
    model = verify_model(subject.weights / "MANIFEST.json")
    case = read_case_of(subject.work / "cases", subject.scheme)
    plan = model.members[0].plan
    inside = find_nonzero_region(case, model.members[0].sequences)
    return count_tiles(preprocessed_shape(case, plan, inside), plan.patch, model.step)
