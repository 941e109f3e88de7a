"""Annotation files by their name: ``.eaf`` and ``.TextGrid``."""

from __future__ import annotations

import codecs
from pathlib import Path

from affect_pipe.pipeline.annotation.elan import read_eaf
from affect_pipe.pipeline.annotation.praat import read_textgrid
from affect_pipe.pipeline.annotation.tiers import AnnotationError, AnnotationFile
from affect_pipe.pipeline.errors import UsageError

MAX_BYTES = 64 * 2**20
SUFFIXES = (".eaf", ".textgrid")


def read_annotations(path: Path) -> AnnotationFile:
    """Read an annotation file.

    Raises
    ------
    UsageError
        If there is no such file, it may not be read, or its name ends with neither suffix.
    AnnotationError
        If it is damaged or too large.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path} is no annotation file: expected .eaf (ELAN) or .TextGrid (Praat)."
        )
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file: name an annotation file.")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"the annotation file {path} cannot be read ({why}): check it.") from error
    if len(data) > MAX_BYTES:
        raise AnnotationError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: which file is it?")
    return read_eaf(data, path) if suffix == ".eaf" else read_textgrid(_decoded(data), path)


def _decoded(data: bytes) -> str:
    """Decode what Praat writes: UTF-16 with a mark, UTF-8, or what older versions wrote."""
    if data.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
