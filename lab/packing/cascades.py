"""Which packed source feeds a cascade's second stage, and whether it is averaged too.

A second stage (`3d_cascade_fullres`) sees the labels of the last source before it that is of its
previous stage's configuration (`3d_lowres`). As in nnU-Net, where both are candidates of their own
(`nnUNetv2_find_best_configuration`), that source is not averaged, unless --weight gives it one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ensemble.members import FEEDS_ONLY, PREVIOUS_STAGE
from ensemble.plans import read_plan
from lab.packing.pack_source import Source
from lab.packing.trained_folder import PackError, TrainedFolder

Entry = dict[str, Any]  # of a manifest's members


def name_previous_stage(
    entries: Sequence[Entry], folder: TrainedFolder, packed: Sequence[Entry]
) -> None:
    """Name, in the entries of a second stage, the source that feeds it; others stay as they are.

    Args:
        entries: of one source.
        folder: where it was packed from.
        packed: the entries of the sources before it.

    Raises:
        PackError: there is no such source.
    """
    configuration = entries[0]["configuration"]
    stage = read_plan(folder.plans, configuration).previous_stage
    if stage is None:
        return
    homes = [each["folder"] for each in packed if each["configuration"] == stage.configuration]
    if not homes:
        lowres = f"{folder.title.removesuffix(f'__{configuration}')}__{stage.configuration}"
        raise PackError(
            f"{folder.name}: {configuration} is the second stage of a cascade and sees the labels "
            f"of {stage.configuration}: add {lowres} before it"
        )
    for entry in entries:
        entry[PREVIOUS_STAGE] = homes[-1]


def set_roles(members: Sequence[Entry], sources: Mapping[str, Source]) -> None:
    """Mark the entries that are run to feed a second stage alone, and print who feeds whom.

    Args:
        members: all entries.
        sources: by the name of their folder.

    Raises:
        PackError: --weight 0 of a source that feeds none.
    """
    fed: dict[str, list[str]] = {}
    for entry in members:
        if PREVIOUS_STAGE in entry:
            homes = fed.setdefault(entry[PREVIOUS_STAGE], [])
            homes += [entry["folder"]] * (entry["folder"] not in homes)
    for home, source in sources.items():
        if source.weight == 0 and home not in fed:
            raise PackError(
                f"--weight 0 of {source.path}: each must be above 0, but that of the previous "
                "stage of a cascade"
            )
    for home, second in fed.items():
        is_averaged = home in sources and sources[home].weight not in (None, 0)
        for entry in members:
            if entry["folder"] == home and not is_averaged:
                entry[FEEDS_ONLY] = True
        also = "is averaged too, by --weight" if is_averaged else "is not averaged itself"
        print(f"{home}: its labels feed {', '.join(second)}; it {also}")
