"""What a channel's name means depends on the challenge whose sequences they all are."""

import pytest

from challenge.channels import ChannelsError, numbered_names, sequences_of


@pytest.mark.parametrize(
    ("names", "sequences"),
    [
        (["T1", "T1Gd", "T2", "FLAIR"], ("t1n", "t1c", "t2w", "t2f")),
        (["flair", "t2w", "t1ce", "t1"], ("t2f", "t2w", "t1c", "t1n")),
        (["T1"], ("t1",)),  # PANTHER's
        (["t2"], ("t2",)),
        (["t1c"], ("t1c",)),  # of radiotherapy
        (["T1", "FLAIR"], ("t1n", "t2f")),  # BraTS without two of its sequences
    ],
)
def test_names_become_sequences(names: list[str], sequences: tuple[str, ...]) -> None:
    assert sequences_of(names) == sequences


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["MRI"], "MRI: no sequence of t1n, t1c, t2w, t2f"),
        (["T1", "T1w", "T2", "FLAIR"], "one sequence twice"),
        (["0", "1", "2", "3"], "0, 1, 2, 3: no sequence of"),
    ],
)
def test_names_that_say_nothing_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ChannelsError, match=message):
        sequences_of(names)


def test_channels_are_read_in_the_order_of_their_numbers() -> None:
    assert numbered_names({"channel_names": {"10": "c", "9": "b", "0": "a"}}) == ["a", "b", "c"]
    assert numbered_names({"modality": {"0": "CT"}}) == ["CT"]
