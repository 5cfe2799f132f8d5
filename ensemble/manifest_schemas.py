"""The schemas of MANIFEST.json: what each came with, and which one a model needs.

SCHEMA is raised when an older program would misread the file: a new key that changes what is
predicted, or a changed meaning. A key that older programs may ignore does not raise it.
2: a member's "group". Members of one group and network average their logits, groups their
probabilities; in schema 1 all are of one group.
3: a member's "orientation", the axis code that images are brought into before it sees them;
without one they go in as stored, as in stock nnU-Net.
4: a member's "weight" may be an object with a number for each channel (`ensemble.member_weights`),
and a member with "donor", a region, is run only where the others' average has none of it
(`ensemble.donor`). Only models that have either are written as 4, others as 3.
5: a member with "format" "exported" or "onnx": `member.json` and `fold_<k>/program.pt2` or
`program.onnx` in place of plans, dataset and checkpoint (`ensemble.exported_member`). Only models
that have one are written as 5.
6: "small_cases", and a "small_weight" of each member (`ensemble.small_cases`). Only models that
have them are written as 6.
7: a member's "cpu_backend": it runs on that where there is no GPU, since the default one computes
it otherwise (`lab.packing.cpu_backend`). Only models that have one are written as 7.
8: a member's "previous_stage", the group whose labels a cascade's second stage sees, and
"feeds_only" of members that are run for that alone (`ensemble.cascade`). Only models that have them
are written as 8.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ensemble.members import FEEDS_ONLY, PREVIOUS_STAGE
from ensemble.small_cases import SMALL_WEIGHT

SCHEMA = 8
# What a schema came with, the newest first; 3 is written without any of it.
NEWS = {
    SCHEMA: "cascades",
    7: "backends of members",
    6: "weights of small cases",
    5: "exported members",
    4: "weights by channel and donors",
}
SCHEMA_WITHOUT = 3
READABLE = (1, 2, SCHEMA_WITHOUT, *reversed(NEWS))


def schema_for(members: Iterable[Mapping[str, Any]]) -> int:
    """Return the least schema that a manifest with these members may have."""
    listed = list(members)
    if any(PREVIOUS_STAGE in each or FEEDS_ONLY in each for each in listed):
        return SCHEMA
    if any("cpu_backend" in each for each in listed):
        return 7
    if any(SMALL_WEIGHT in each for each in listed):
        return 6
    if any("format" in each for each in listed):
        return 5
    is_new = any("donor" in each or isinstance(each["weight"], Mapping) for each in listed)
    return 4 if is_new else READABLE[0]
