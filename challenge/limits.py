"""What the platforms allow, from `limits.env`, which the shell scripts source too."""

from collections.abc import Mapping
from pathlib import Path

LIMITS_FILE = Path(__file__).with_name("limits.env")


def read_limits(text: str) -> dict[str, str]:
    """Return the values of a file of KEY=VALUE lines, as a shell would read them."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


def in_words(seconds: float) -> str:
    """Say a limit as people do: `12 h`, `20 min`, `90 s`."""
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"


LIMITS: Mapping[str, str] = read_limits(LIMITS_FILE.read_text(encoding="utf-8"))
# Seconds that a platform allows for a folder: for grand-challenge's one case, for all of BraTS's. A
# challenge may have its own (`Scheme.time_limit_s`).
TIME_LIMIT_S: Mapping[str, float] = {
    "grand-challenge": float(LIMITS["GRAND_CHALLENGE_TIME_S"]),
    "brats-folder": float(LIMITS["BRATS_TIME_S"]),
}
# A container starts, and ends, on the platform's clock too.
MARGIN_SHARE, MOST_MARGIN_S = 0.05, 300.0
DEFAULT_TIME = (
    f"{in_words(TIME_LIMIT_S['brats-folder'])} for a BraTS folder, as the rules of 2026 say (an "
    f"older copy: {in_words(float(LIMITS['BRATS_OLDER_TIME_S']))}), "
    f"{in_words(TIME_LIMIT_S['grand-challenge'])} for grand-challenge, less a margin of up to "
    f"{in_words(MOST_MARGIN_S)}"
)


def working_time_s(limit_s: float) -> float:
    """Return the seconds to plan with under a platform's limit: the limit, less a margin."""
    return limit_s - min(MARGIN_SHARE * limit_s, MOST_MARGIN_S)
