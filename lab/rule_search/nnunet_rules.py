"""nnU-Net's own post-processing, as rules that give the same labels.

`postprocessing.json` numbers labels as the training did. The `dataset.json` that nnU-Net copies
beside it, or that of the trained folder above, says which labels of the challenge these are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.dataset import label_values
from lab.data.label_aliases import agreed_labels
from lab.data.nnunet_postprocessing import keep_largest_steps
from lab.json_files import read_json
from lab.packing.label_options import parse_labels
from postprocess.rule_base import FOREGROUND
from postprocess.rules_by_size import KeepLargest

DATASET = "dataset.json"


def rules_from_nnunet(
    content: Mapping[str, Any], labels: Mapping[str, int], scheme: Scheme
) -> list[KeepLargest]:
    """Turn a file's content into rules.

    Args:
        content: what postprocessing.json holds.
        labels: name -> value of each label in the training.
        scheme: the challenge whose names are used.

    Raises:
        Refusal: the content is malformed, or names labels that together are neither a label, a
            region nor the foreground of the challenge.
    """
    steps = keep_largest_steps(content)
    name_of = {value: name for name, value in labels.items()}
    rules = []
    for values in steps.label_sets:
        if unknown := [value for value in values if value not in name_of]:
            known = ", ".join(f"{value} {name}" for value, name in sorted(name_of.items()))
            raise Refusal(f"label {unknown[0]} is not one of the training: {known}")
        subject = _subject({name_of[value] for value in values}, set(labels), scheme)
        rules.append(KeepLargest(**subject, k=1, ties="all", connectivity=steps.connectivity))
    return rules


def training_labels(path: Path, option: str, scheme: Scheme) -> tuple[dict[str, int], str]:
    """Find which value of the training is which label.

    Args:
        path: postprocessing.json.
        option: what --labels says, or nothing.
        scheme: the challenge whose names are used.

    Returns:
        (name -> value, where that is from)

    Raises:
        Refusal: the names in dataset.json do not say it, or --labels is no answer.
    """
    file = next(
        (f for f in (path.parent / DATASET, path.parent.parent / DATASET) if f.is_file()), None
    )
    dataset = None if file is None else read_json(file)
    if option:
        values = None if dataset is None else label_values(dataset)
        return parse_labels(option, values, scheme), "by --labels"
    if dataset is None:
        return dict(scheme.labels), f"those of {scheme.name}, since no {DATASET} lies beside it"
    return agreed_labels(dataset, scheme), f"by {file}"


def _subject(names: set[str], trained: set[str], scheme: Scheme) -> dict[str, str]:
    """Return the label or region of a rule about a set of labels."""
    if len(names) == 1:
        return {"label": names.pop()}
    for region, members in scheme.regions.items():
        if set(members) == names:
            return {"region": region}
    if names == trained:  # what the network does not know is not predicted either
        return {"region": FOREGROUND}
    raise Refusal(f"{', '.join(sorted(names))} together are no region of {scheme.name}")
