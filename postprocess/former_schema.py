"""Read `postprocess.json` of schema 2, in the words of today."""

from typing import Any

FORMER_SCHEMA = 2
# In any object of the file, except `labels`.
KEYS = {"recipe": "config", "arm": "method", "how": "validation"}
VALUES = {
    "becomes": {"enclosing": "surrounding"},
    "recipe": {"sound": "validated", "paper": "published"},
}


def upgrade(document: Any) -> Any:
    """Return the file's content, or, if it is of the former schema, what it would be today."""
    if not isinstance(document, dict) or document.get("schema") != FORMER_SCHEMA:
        return document
    renamed = {
        key: value if key == "labels" else _renamed(value) for key, value in document.items()
    }
    return {**renamed, "schema": FORMER_SCHEMA + 1}


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        KEYS.get(key, key): VALUES.get(key, {}).get(item, item)
        if isinstance(item, str)
        else _renamed(item)
        for key, item in value.items()
    }
