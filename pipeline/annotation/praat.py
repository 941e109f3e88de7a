"""Praat's TextGrids, long and short text format."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.annotation.tiers import (
    MAX_ANNOTATIONS,
    MAX_SECONDS,
    Annotation,
    AnnotationError,
    AnnotationFile,
    Tier,
)
from affect_pipe.pipeline.given import quoted

_INTERVALS = "IntervalTier"


def read_textgrid(text: str, path: Path) -> AnnotationFile:
    """Read a TextGrid; empty intervals are pauses between annotations, points are left out.

    Parameters
    ----------
    text : str
        The file's content.
    path : Path
        Its name, for messages.

    Raises
    ------
    AnnotationError
        If it is no TextGrid in a text format.
    """
    if "ooTextFile" not in text[:200] or "TextGrid" not in text[:400]:
        raise AnnotationError(
            f"{path} is no TextGrid in text format: save it in Praat as a text file."
        )
    from praatio.utilities import textgrid_io

    try:
        found = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=False)
        tiers = tuple(_tier(item, path) for item in found["tiers"] if item["class"] == _INTERVALS)
    except AnnotationError:
        raise
    # The parser has no errors of its own for most of what can be wrong with a file.
    except Exception as error:
        raise AnnotationError(
            f"{path} is a damaged TextGrid ({str(error)[:80] or type(error).__name__}): open it in "
            "Praat and save it again."
        ) from error
    points = [item["name"] for item in found["tiers"] if item["class"] != _INTERVALS]
    if sum(len(tier.annotations) for tier in tiers) > MAX_ANNOTATIONS:
        raise AnnotationError(f"{path} holds more than {MAX_ANNOTATIONS} intervals: which is it?")
    return AnnotationFile(
        tiers, warnings=tuple(f"the point tier {quoted(name)} is not read." for name in points)
    )


def _tier(item: Any, path: Path) -> Tier:
    name = str(item["name"])
    annotations = []
    for place, (start, end, label) in enumerate(item["entries"]):
        start_s, end_s = float(start), float(end)
        if not (math.isfinite(start_s) and 0 <= start_s <= end_s <= MAX_SECONDS):
            raise AnnotationError(
                f"{path}: an interval of the tier {quoted(name)} ({quoted(str(label), 40)}) lasts "
                f"from {start} to {end} s: correct it in Praat."
            )
        value = str(label).strip()
        if value:
            annotations.append(Annotation(start_s, end_s, value, f"{name} {place}"))
    return Tier(name, tuple(sorted(annotations, key=lambda a: (a.start_s, a.end_s))))
