"""What is refused by design, explained in one sentence."""


class Refusal(ValueError):
    """Something handed in cannot be followed; the message names the file and the value.

    The doors (`inference.py`, `python -m postprocess`, `python -m lab`) print the message alone,
    without a traceback, and exit with code 2.
    """
