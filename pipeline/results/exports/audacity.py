"""A label track for Audacity: start, end and label a line, parted by tabs."""

from __future__ import annotations

from affect_pipe.pipeline.results.exports.tags import tag_of
from affect_pipe.pipeline.results.result_file import Result
from affect_pipe.pipeline.results.result_parts import UtterancePart


def audacity_bytes(result: Result) -> bytes:
    """Return the label track, in the order of the utterances; times are seconds."""
    return "".join(map(_line, result.utterances)).encode("utf-8", "replace")


def _line(utterance: UtterancePart) -> str:
    tag = tag_of(utterance)
    parts = (f"[{tag}]" if tag else "", f"{utterance.speaker}:" if utterance.speaker else "")
    # Tabs and line ends part fields and labels.
    label = " ".join(" ".join((*parts, utterance.text)).split())
    return f"{utterance.start_s:.6f}\t{utterance.end_s:.6f}\t{label}\n"
