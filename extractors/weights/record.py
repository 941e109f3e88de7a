"""What a folder of weights holds, written beside the files, and the manifest of an archive."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from affect_pipe.extractors.weights.needs import check_file_name, check_name, folder_name
from affect_pipe.pipeline.errors import UsageError

RECORD_NAME = ".affect-pipe.json"
MANIFEST_NAME = "manifest.json"
MAX_RECORD_BYTES = 16 * 2**20


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileRecord(_Closed):
    """One file: its path inside the folder, its bytes, its SHA-256."""

    name: Annotated[str, AfterValidator(check_file_name)]
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class WeightsRecord(_Closed):
    """A set of weights as it lies in the store or in an archive."""

    format: Literal[1] = 1
    name: Annotated[str, AfterValidator(check_name)]
    files: tuple[FileRecord, ...] = Field(min_length=1, strict=False)
    licence: str = ""
    page: str = ""
    origin: str = Field(default="", description="Where it was fetched or taken from.")

    @property
    def folder_name(self) -> str:
        """The name as one folder."""
        return folder_name(self.name)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @model_validator(mode="after")
    def _distinct(self) -> WeightsRecord:
        check_distinct([file.name for file in self.files])
        return self


class Manifest(_Closed):
    """What an archive holds: the first of its members."""

    format: Literal["affect-pipe-weights/1"] = "affect-pipe-weights/1"
    weights: tuple[WeightsRecord, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _distinct(self) -> Manifest:
        check_distinct([record.folder_name for record in self.weights])
        return self

    def text(self) -> bytes:
        """Return it as JSON."""
        return (self.model_dump_json(indent=1) + "\n").encode("utf-8")


def check_distinct(names: list[str]) -> None:
    """Refuse names of which two would be one file, or one a folder of another, on any system.

    Raises
    ------
    ValueError
        Names the first of them.
    """
    seen: set[str] = set()
    for name in names:
        plain = unicodedata.normalize("NFC", name).casefold()
        if plain in seen:
            raise ValueError(f"{name!r} is there twice")
        seen.add(plain)
    for name in seen:
        parts = name.split("/")
        if any("/".join(parts[:i]) in seen for i in range(1, len(parts))):
            raise ValueError(f"{name!r} lies in a folder that is also a file")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file: 64 hex characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(folder: Path, names: Iterable[str]) -> tuple[FileRecord, ...]:
    """Return records of files of a folder, in the order of their names; reads all of them."""
    return tuple(
        FileRecord(name=name, size=(folder / name).stat().st_size, sha256=sha256_of(folder / name))
        for name in sorted(names)
    )


def read_record(folder: Path) -> WeightsRecord | None:
    """Return the record of a folder of the store, or None where there is no sound one."""
    path = folder / RECORD_NAME
    try:
        if path.stat().st_size > MAX_RECORD_BYTES:
            return None
        return WeightsRecord.model_validate_json(path.read_bytes())
    # pydantic's error is a ValueError.
    except (OSError, ValueError, UsageError):
        return None


def write_record(folder: Path, record: WeightsRecord) -> None:
    """Write the record of a folder that nobody else sees yet."""
    text = record.model_dump_json(indent=1) + "\n"
    (folder / RECORD_NAME).write_text(text, encoding="utf-8")
