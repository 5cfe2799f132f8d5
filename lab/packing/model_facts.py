"""What a packed model is, in rows of a name and a text: for `pack`, `verify` and the model card."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from challenge.scheme import Scheme
from ensemble.exported_member import EXPORTED
from ensemble.manifest import Model, read_manifest, verify_model
from ensemble.member_network import mirror_axes_of
from ensemble.members import FEEDS_ONLY, PREVIOUS_STAGE, Member
from ensemble.small_cases import weight_in_words
from lab.packing.exported_summary import exported_agreement
from lab.packing.precision import precision_of
from lab.packing.proof_summary import agreement
from lab.packing.stock_prediction import STOCK_STEP

EXACTNESS = ("precision", "mirroring", "tiles", "agreement")  # rows that decide it
Pairs = list[tuple[Member, Mapping[str, Any]]]  # of members and their entries in the manifest


def describe(manifest: Path) -> list[tuple[str, str]]:
    """Return the rows that describe a model: (name, text). A name may have several rows.

    Raises:
        ManifestError: the model's files are not what its manifest says.
        CheckpointError: a checkpoint cannot be opened.
    """
    model, content = verify_model(manifest), read_manifest(manifest)
    sources: dict[str, Pairs] = {}
    for member, entry in zip(model.members, content["members"], strict=True):
        sources.setdefault(entry["folder"], []).append((member, entry))
    rows = [("challenge", _challenges(model))]
    rows += [("folds", f"{home}: {_folds(pairs)}") for home, pairs in sources.items()]
    if model.small_cases:
        rows.append(("small", f"{model.small_cases.in_words()}: the weights of small cases"))
    rows += [
        ("left out", f"{each['folder']}: fold_{each['fold']}: {each['reason']}")
        for each in content.get("left_out", ())
    ]
    for name, texts in {
        "labels": {home: _labels(pairs, model.scheme) for home, pairs in sources.items()},
        "channels": {home: ", ".join(pairs[0][0].sequences) for home, pairs in sources.items()},
        "precision": {home: _precision(pairs) for home, pairs in sources.items()},
        "mirroring": {home: _mirroring(pairs, model.mirroring) for home, pairs in sources.items()},
    }.items():
        rows += [(name, text) for text in _by_source(texts)]
    as_stock = ", as stock nnU-Net" if model.step == STOCK_STEP else ", not stock nnU-Net's 0.5"
    rows.append(("tiles", f"{model.step:g} of the patch apart{as_stock}"))
    rows += [("agreement", text) for text in _agreement(content, sources)]
    files = (path for path in model.folder.rglob("*") if path.is_file())
    rows.append(("size", f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB"))
    return rows


def table(manifest: Path) -> Iterator[str]:
    """Yield the rows that describe a model as lines, names in a column."""
    before = ""
    for name, text in describe(manifest):
        yield f"  {name if name != before else '':<10} {text}"
        before = name


def _challenges(model: Model) -> str:
    others = [scheme.name for scheme in model.answers if scheme is not model.scheme]
    return model.scheme.name + (f", answers {', '.join(others)} too" if others else "")


def _by_source(texts: Mapping[str, str]) -> list[str]:
    """Return one text where all sources have the same, else one a source."""
    distinct = list(dict.fromkeys(texts.values()))
    return distinct if len(distinct) == 1 else [f"{home}: {text}" for home, text in texts.items()]


def _labels(pairs: Pairs, scheme: Scheme) -> str:
    trained = {name: int(value) for value, name in pairs[0][1]["labels"].items()}
    words = []
    for name, value in sorted(scheme.labels.items(), key=lambda pair: pair[1]):
        if name in trained:
            other = "" if trained[name] == value else f" (trained as {trained[name]})"
            words.append(f"{value} {name}{other}")
    return ", ".join(words)


def _folds(pairs: Pairs) -> str:
    entry = pairs[0][1]
    folds = ", ".join(str(each["fold"]) for _, each in pairs)
    if donor := entry.get("donor"):
        return f"{folds} ({entry['checkpoint']}; donor, run where the others see no {donor})"
    if entry.get(FEEDS_ONLY):
        return f"{folds} ({entry['checkpoint']}; previous stage of a cascade, not averaged)"
    stage = f"; sees the labels of {entry[PREVIOUS_STAGE]}" if PREVIOUS_STAGE in entry else ""
    weights = list(dict.fromkeys(weight_in_words(each) for _, each in pairs))
    share = "" if weights == ["1"] else f", weight {'; '.join(weights)}"
    return f"{folds} ({entry['checkpoint']}{share}{stage})"


def _precision(pairs: Pairs) -> str:
    counts = [precision_of(member.checkpoint) for member, _ in pairs]
    names = sorted({name for count in counts for name in count})
    if len(names) == 1:
        return names[0] + (" (half precision)" if names == ["float16"] else "")
    totals = {name: sum(count.get(name, 0) for count in counts) for name in names}
    return ", ".join(f"{total} tensors in {name}" for name, total in totals.items())


def _mirroring(pairs: Pairs, is_mirrored: bool) -> str:
    by_axes: dict[tuple[int, ...], list[str]] = {}
    for member, entry in pairs:
        by_axes.setdefault(mirror_axes_of(member), []).append(str(entry["fold"]))
    if list(by_axes) == [()]:
        return "none, as trained"
    texts = []
    for axes, folds in by_axes.items():
        named = f"axes {', '.join(map(str, axes))}" if axes else "none"
        which = "" if len(by_axes) == 1 else f" (folds {', '.join(folds)})"
        texts.append(f"{named}{which}")
    trained = "; ".join(texts)
    if len(by_axes) > 1:
        trained += "; stock nnU-Net takes the first fold's for all"
    return f"{trained}, as trained" if is_mirrored else f"none, though trained with {trained}"


def _agreement(content: Mapping[str, Any], sources: Mapping[str, Pairs]) -> Iterator[str]:
    records = {str(record["folder"]): record for record in content.get("proof", ())}
    for home in sources:
        prefix = f"{home}: " if len(sources) > 1 else ""
        if home not in records:
            yield f"{prefix}not recorded when it was packed"
            continue
        record = records[home]
        is_exported = record.get("format") == EXPORTED
        for text in exported_agreement(record) if is_exported else agreement(record):
            yield prefix + text
