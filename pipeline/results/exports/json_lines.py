"""JSON Lines: one utterance a line, each complete by itself.

A line is the utterance of the JSON result, with ``media`` (its file name), ``media_digest``,
``model`` and ``model_digest`` before it, so that the files of many videos can be put together.
"""

from __future__ import annotations

import json

from affect_pipe.pipeline.results.result_file import Result


def json_lines_bytes(result: Result) -> bytes:
    """Return the lines, in order of time; nothing where nobody speaks."""
    video = {
        "media": result.media,
        "media_digest": result.media_digest,
        "model": result.model,
        "model_digest": result.model_digest,
    }
    lines = (
        json.dumps({**video, **utterance}, ensure_ascii=False, allow_nan=False) + "\n"
        for utterance in result.published["utterances"]
    )
    return "".join(lines).encode("utf-8", "backslashreplace")
