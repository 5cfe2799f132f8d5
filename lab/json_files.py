"""JSON that somebody hands in."""

import json
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        Refusal: it is missing, cannot be read, or is no JSON; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{path}: not JSON ({error})") from error
