"""The settings of a run: defaults, then a TOML file, then flags."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted, user_path
from affect_pipe.pipeline.media import MediaLimits
from affect_pipe.pipeline.segmentation import SegmentationSettings


class RunSettings(BaseModel):
    """Everything that decides a run besides the video; features are the checkpoint's to decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(
        default="starter", description="Checkpoint: a shipped name, or a checkpoint folder."
    )
    asr: str = Field(
        default="auto",
        description="Where the words come from: auto, transcript, whisper[:size or .pt file], "
        "faster-whisper[:size, hub name or folder], moonshine, pocketsphinx.",
    )
    asr_task: Literal["transcribe", "translate"] = Field(
        default="transcribe",
        description="What Whisper writes: what is said (transcribe), or its English translation.",
    )
    transcript: Path | None = Field(
        default=None, description="Transcript file; default: one beside the video."
    )
    diarisation: Path | None = Field(
        default=None,
        description="RTTM file that says who speaks when; default: one beside the video.",
    )
    language: str | None = Field(
        default=None, description="Language spoken, as an ISO 639-1 code; default: detected."
    )
    cache_dir: str | None = Field(
        default=None,
        description="Cache folder or fsspec URL; default: AFFECT_PIPE_CACHE, else the user's.",
    )
    segmentation: SegmentationSettings = Field(
        default_factory=SegmentationSettings, description="How words are cut into utterances."
    )
    limits: MediaLimits = Field(
        default_factory=MediaLimits, description="Bounds on what is read of a media file."
    )

    @field_validator(
        "model", "asr", "transcript", "diarisation", "language", "cache_dir", mode="before"
    )
    @classmethod
    def _check_text(cls, given: object) -> object:
        # Before it becomes a path: an empty path is the folder one is in.
        if isinstance(given, str) and not given.strip():
            raise ValueError("it must not be empty, give a value or leave it out")
        if isinstance(given, str | Path) and "\0" in str(given):
            raise ValueError("it holds a NUL character, which no name may")
        return given


def load_settings(path: Path | None, flags: Mapping[str, Any]) -> RunSettings:
    """Build the settings from an optional TOML file and the flags that were given.

    Parameters
    ----------
    path : Path or None
        TOML with the fields of `RunSettings`, ``[segmentation]`` and ``[limits]`` as tables.
    flags : mapping
        Fields given on the command line; they win. None values are not given; mappings are merged
        into the table of the same name.

    Raises
    ------
    UsageError
        If the file cannot be read or a field is unknown or out of range.
    """
    values: dict[str, Any] = _read_toml(path) if path is not None else {}
    for name, value in flags.items():
        if isinstance(value, Mapping):
            # What is no table in the file stays as it is, for the validation to name.
            table = values.get(name, {})
            values[name] = {**table, **value} if isinstance(table, Mapping) else table
        elif value is not None:
            values[name] = value
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        raise UsageError(_explain(error, path, flags)) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with user_path(path, "the settings file").open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"settings file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        # Not TOML, not UTF-8, or an integer of more digits than Python reads.
        raise UsageError(f"settings file {path} is not valid TOML: {error}.") from error


# What pydantic calls a mistake, and what it tells of the bound that was broken.
_EXPECTED = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "finite_number": "a finite number",
    "string": "text",
    "path": "a path",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "model": "a table of settings",
}


def _explain(error: ValidationError, path: Path | None, flags: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    names = [str(part) for part in first["loc"]]
    name = ".".join(names)
    where = f" in {path}" if path is not None and not _holds(flags, names) else ""
    if first["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        if first["type"] == "value_error" and isinstance(first.get("input"), Mapping):
            # Two settings that contradict each other: the message names both.
            return f"settings {name!r}{where}: {first['ctx']['error']}."
        return f"setting {name!r}{where} is {quoted(first.get('input'))}: {_expected(first)}."
    known = _field_names(RunSettings)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known settings are {', '.join(known)}."
    return f"unknown setting {quoted(name)}{where}: {hint}"


def _holds(flags: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether the command line gave this setting."""
    value: Any = flags
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value is not None


def _expected(mistake: Any) -> str:
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    # The kinds of wrong types are "float_type", "float_parsing", "int_from_float" and the like.
    expected = _EXPECTED.get(kind) or _EXPECTED.get(kind.partition("_")[0])
    return f"expected {expected.format(**context)}" if expected else str(mistake["msg"])


def _field_names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += [f"{name}.{inner}" for inner in _field_names(kind)]
        else:
            names.append(name)
    return names
