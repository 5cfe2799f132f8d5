"""Read `postprocess.json` of schemas 2 to 5, in the words of today."""

from typing import Any

from challenge.scheme import Scheme

from .declared_answers import default_empty_answer

OLDEST_SCHEMA = 2
# Of schema 2, in any object of the file, except `labels`.
KEYS = {"recipe": "config", "arm": "method", "how": "validation"}
VALUES = {
    "becomes": {"enclosing": "surrounding"},
    "recipe": {"sound": "validated", "paper": "published"},
}


def upgrade(document: Any, scheme: Scheme) -> Any:
    """Return the file's content, or, if it is of a former schema, what it would be today."""
    if not isinstance(document, dict):
        return document
    if document.get("schema") == 2:
        document = {
            key: value if key == "labels" else _renamed(value) for key, value in document.items()
        }
        document["schema"] = 3
    if document.get("schema") == 3:  # had no gates
        document = {**document, "schema": 4, "gates": [], "gates_sha256": ""}
    if document.get("schema") == 4:  # had the challenge's answer to an empty prediction alone
        answer = default_empty_answer(scheme)
        document = {**document, "schema": 5, "no_credible_component": answer}
    if document.get("schema") == 5:  # its clusters.npz measures distances along components
        document = {**document, "schema": 6}
    return document


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
