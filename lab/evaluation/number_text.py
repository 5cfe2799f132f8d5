"""Numbers as the tables and sentences of the terminal show them."""

import math
import textwrap

WIDTH = 100


def signed(value: float) -> str:
    """Return four decimals with a sign, or the order of magnitude where these would hide it."""
    if math.isnan(value):
        return "-"
    if abs(value) < 1e-12:  # rounding
        value = 0.0
    return f"{value:+.1e}" if 0 < abs(value) < 5e-5 else f"{value:+.4f}"


def value_text(value: float) -> str:
    """Return four decimals; "-" where there is no number."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def p_text(p: float) -> str:
    """Return four decimals, or the order of magnitude where these would hide it."""
    if math.isnan(p):
        return "-"
    return f"{p:.1e}" if p < 5e-5 else f"{p:.4f}"


def interval_text(low: float, high: float) -> str:
    """Return an interval of differences in brackets; "-" where there is none."""
    return "-" if math.isnan(low) else f"[{signed(low)}, {signed(high)}]"


def wrapped(line: str) -> str:
    """Break a long line into lines of the terminal's width, the later ones indented."""
    return textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def letter(i: int) -> str:
    """Return a short name for the i-th system: A to Z, then A2."""
    return chr(ord("A") + i % 26) + (str(i // 26 + 1) if i >= 26 else "")
