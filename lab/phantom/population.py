"""What synthetic patients are sampled from: kinds of patients, by name, and a seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.phantom import atlas, brats, isles, panther
from lab.phantom.patient import Kind, Patient, Request, Triple

PATIENTS = 10_000  # of one seed; those of the next seed follow


def code_of(seed: int, number: int) -> str:
    """Return the five digits of a patient's name.

    No two share them, up to seed 79 and a thousand patients a seed: rules recognise by its name a
    case that they were fitted on.
    """
    tens, ones = divmod(seed, 10)
    return f"{90_000 - tens % 8 * 10_000 + (ones * 1_000 + number) % 10_000}"


def _glioma(request: Request) -> Patient:
    grid = request.on(brats.grid_of(request.seed))
    pictures, labels = brats.scan(request.seed, grid)
    name = f"BraTS-GLI-{request.code}-100"
    return Patient(name, grid, pictures, labels, brats.world_shift_mm(grid))


def _abdomen(kind: str, request: Request) -> Patient:
    grid = request.on(panther.grid_of(kind, request.seed))
    variety = panther.ANYWHERE if request.anywhere else panther.PROTOCOL
    pictures, labels = panther.scan(kind, request.seed, grid, variety, request.healthy)
    name = f"{request.code}_0001" if kind == "panther-t1" else request.code
    return Patient(name, grid, pictures, labels, (0.0, 0.0, 0.0))


def _stroke(request: Request) -> Patient:
    grid = request.on(isles.grid_of(request.seed))
    pictures, labels, values = isles.scan(request.seed, grid)
    name = f"sub-{isles.centre_of(request.seed).lower()}s{request.code}"
    return Patient(name, grid, pictures, labels, (0.0, 0.0, 0.0), values)


KINDS: Mapping[str, Kind] = {
    "brats-gli": Kind("brats-gli", _glioma, bends_atlas=True),
    "panther-t1": Kind("panther-t1", partial(_abdomen, "panther-t1"), can_be_healthy=True),
    "panther-t2": Kind("panther-t2", partial(_abdomen, "panther-t2"), can_be_healthy=True),
    "isles-t1": Kind("isles-2026", _stroke, bends_atlas=True),
}


def scheme_of(kind: str) -> Scheme:
    """Return the challenge whose cases a kind's patients are."""
    return SCHEMES[KINDS[kind].scheme]


def kind_of(scheme: str) -> str | None:
    """Return the kind of a challenge's patients; None where it has none."""
    return next((name for name, kind in KINDS.items() if kind.scheme == scheme), None)


def check_healthy(kind: str, share: float) -> None:
    """Refuse a share of patients without a tumour that is none, or of a kind that has none.

    Raises:
        Refusal: it is either; the message names the share and the kind.
    """
    if not 0 <= share <= 1:
        raise Refusal(f"healthy {share:g}: a share of the patients, from 0 to 1")
    if share and not KINDS[kind].can_be_healthy:
        kinds = ", ".join(name for name, each in KINDS.items() if each.can_be_healthy)
        raise Refusal(f"healthy {share:g}: every patient of {kind} is ill; of {kinds} not all are")


@dataclass(frozen=True)
class Population:
    """What patients are sampled from; patient `number` is always the same one."""

    kind: str
    seed: int
    spacing_mm: Triple | None = None  # instead of each patient's native grid
    anywhere: bool = False  # abdomens of any scanner, not of PANTHER's; heads always are
    healthy: float = 0.0  # share of patients without a tumour; each decides for itself

    def __post_init__(self) -> None:
        """Refuse a share that is none, or of a kind whose patients are all ill.

        Raises:
            Refusal: it is either; the message names the share and the kind.
        """
        check_healthy(self.kind, self.healthy)

    def read_atlas(self) -> None:
        """Read what heads are bent out of now, once for all processes that are forked later."""
        if KINDS[self.kind].bends_atlas:
            atlas.maps()

    def patient(self, number: int) -> Patient:
        """Return one patient.

        Raises:
            Refusal: a number of another seed's patients.
        """
        if not 0 <= number < PATIENTS:
            raise Refusal(f"patient {number}: a seed has patients 0 to {PATIENTS - 1}")
        code = code_of(self.seed, number)
        seed = self.seed * PATIENTS + number
        return KINDS[self.kind].make(
            Request(seed, code, self.spacing_mm, self.anywhere, self.healthy)
        )
