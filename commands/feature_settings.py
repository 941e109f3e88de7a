"""Reading ``--feature-settings``: JSON on the command line, or a JSON or TOML file."""

from __future__ import annotations

import json
import tomllib
from typing import Any, NoReturn

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted, user_path

HELP = (
    "settings of features by name, as JSON or as a JSON or TOML file: "
    '\'{"facemesh": {"rate_hz": 5}}\''
)
# A settings file is a page of text; anything larger is something else.
_MAX_BYTES = 1 << 20


def read_feature_settings(given: str | None) -> dict[str, dict[str, Any]]:
    """Return the settings by feature name; whether they fit is the registry's to say.

    Raises
    ------
    UsageError
        If the file cannot be read, or what is given is no table of tables.
    """
    if given is None:
        return {}
    where, text, is_toml = "--feature-settings", given, False
    if not given.lstrip().startswith("{"):
        path = user_path(given, "the file of --feature-settings")
        where, is_toml = str(path), path.suffix.lower() == ".toml"
        try:
            with path.open("rb") as file:
                raw = file.read(_MAX_BYTES + 1)
            text = raw.decode("utf-8-sig")
        except OSError as error:
            raise UsageError(
                f"--feature-settings {quoted(given)} is neither JSON that begins with {{ nor a "
                f"file that can be read ({error.strerror})."
            ) from error
        except ValueError as error:
            raise UsageError(f"{where} is no text in UTF-8: give JSON or TOML.") from error
        if len(raw) > _MAX_BYTES:
            raise UsageError(f"{where} has more than {_MAX_BYTES} bytes: give JSON or TOML.")
    try:
        found = tomllib.loads(text) if is_toml else _from_json(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if is_toml else "JSON"
        raise UsageError(f"{where} is not valid {kind}: {error}.") from error
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise UsageError(
            f"{where}: expected a table of settings for each feature, as in "
            '{"facemesh": {"rate_hz": 5}}.'
        )
    return found


def _from_json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; of a name that comes twice one value would win unseen."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {quoted(name)} comes twice")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
