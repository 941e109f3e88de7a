"""The settings of a run: defaults, then a TOML file, then flags."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affect_pipe.pipeline.errors import UsageError
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
        "pocketsphinx.",
    )
    transcript: Path | None = Field(
        default=None, description="Transcript file; default: one beside the video."
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
        raise UsageError(_explain(error, path)) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"settings file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"settings file {path} is not valid TOML: {error}.") from error


def _explain(error: ValidationError, path: Path | None) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    where = f" in {path}" if path is not None else ""
    if first["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"setting {name!r}{where} is {first.get('input')!r}: {first['msg'].lower()}."
    known = _field_names(RunSettings)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known settings are {', '.join(known)}."
    return f"unknown setting {name!r}{where}: {hint}"


def _field_names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += [f"{name}.{inner}" for inner in _field_names(kind)]
        elif isinstance(kind, type) and dataclasses.is_dataclass(kind):
            names += [f"{name}.{inner.name}" for inner in dataclasses.fields(kind)]
        else:
            names.append(name)
    return names
