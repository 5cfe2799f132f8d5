"""Values of a MONAI configuration as plain data: `$` expressions are never evaluated.

References such as `@network_def` or `@patch::0` are followed as long as they lead to plain values.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ensemble.exported_member import MEMBER_FILE
from lab.packing.trained_folder import PackError, read_object
from lab.training.monai_networks import MonaiError

MOST_REFERENCES = 20  # that lead to one value
MOST_LEVELS = 20  # of lists and objects in one another


def read_config(config: Path) -> dict[str, Any]:
    """Read a configuration, JSON or YAML by its ending.

    Raises:
        PackError: it is neither, or holds no object.
    """
    if config.suffix == ".json":
        return read_object(config, str(config))
    import yaml

    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PackError(f"{config}: not YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(content, dict):
        raise PackError(f"{config}: holds no object")
    return content


def plain_value(content: Mapping[str, Any], value: Any, who: str, level: int = 0) -> Any:
    """Follow references to a plain value, which is `level` lists and objects deep.

    Raises:
        MonaiError: an expression, or a reference that leads nowhere, or in a circle.
    """
    if level > MOST_LEVELS:
        raise MonaiError(f"{who} leads in a circle, or lies {MOST_LEVELS} levels deep")
    for _ in range(MOST_REFERENCES):
        if isinstance(value, str) and value.startswith("$"):
            raise MonaiError(
                f"{who} is the expression {value!r}, and none is evaluated; write the value in its "
                f'place, or in {MEMBER_FILE}\'s "architecture"'
            )
        if not (isinstance(value, str) and value.startswith("@")):
            break
        value = referenced(content, value, who)
    else:
        raise MonaiError(f"{who} leads in a circle, {value!r} last")
    if isinstance(value, list):
        return [plain_value(content, each, who, level + 1) for each in value]
    if isinstance(value, Mapping):
        return {key: plain_value(content, each, who, level + 1) for key, each in value.items()}
    return value


def referenced(content: Mapping[str, Any], reference: str, who: str) -> Any:
    """Return what a reference names, as it stands in the configuration.

    Raises:
        MonaiError: there is no such key.
    """
    value: Any = content
    for part in reference[1:].replace("#", "::").split("::"):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise MonaiError(f"{who} names {reference!r}, which is not there") from error
    return value


def plain_parts(content: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Return an object's plain entries; expressions among them are left out."""
    parts = {}
    for key, each in value.items() if isinstance(value, Mapping) else ():
        try:
            parts[str(key)] = plain_value(content, each, str(key))
        except MonaiError:
            continue
    return parts
