"""The utterances of a whole batch as one Parquet dataset, a file a video.

``utterances/part=<xx>/<32 hex>.parquet``: the name is a digest of the video's target, so that a
video that is analysed again replaces its own rows and no others; ``part``, its first two digits,
keeps folders small. Every file has the same schema, `columns`, whatever the model predicts and
whether or not anyone speaks, so that pandas, Arrow, DuckDB and Spark read the folder as one table.
The same result gives the same bytes: times of computing are not in it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from affect_pipe.pipeline.fingerprint import digest_bytes
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import MODALITIES, USUAL_OUTPUTS, VideoResult
from affect_pipe.pipeline.results.json_result import to_json

FOLDER = "utterances"
VERSION = "affect-pipe-utterances/1"
_SENTIMENTS = USUAL_OUTPUTS.sentiment or ()
_EMOTIONS = USUAL_OUTPUTS.emotions or ()
_OF_EMOTION = ("probability", "present", "intensity")
_FACE = ("n_faces", "track", "chosen_by", "confidence", "doubt")


def dataset_name(target: str) -> str:
    """Return the name of a video's file, relative to the result folder."""
    digest = digest_bytes(target.encode("utf-8", "surrogateescape"))
    return f"{FOLDER}/part={digest[:2]}/{digest}.parquet"


def columns() -> dict[str, str]:
    """Return each column and its Arrow type.

    ``other_scores`` holds what a model predicts besides the usual classes: probabilities as
    ``p_<class>`` and ``<emotion>_probability``, intensities as ``<emotion>_intensity``.
    """
    found = {
        "video": "string",
        "file": "string",
        "media_digest": "string",
        "model": "string",
        "model_digest": "string",
        "asr": "string",
        "asr_model": "string",
        "language": "string",
        "guesses": "bool",
        "index": "int32",
        "start_s": "double",
        "end_s": "double",
        "speaker": "string",
        "text": "string",
        "sentiment": "string",
        "sentiment_intensity": "double",
        **{f"p_{label}": "double" for label in _SENTIMENTS},
    }
    for name in _EMOTIONS:
        flat = _flat(name)
        found |= {f"{flat}_probability": "double", f"{flat}_present": "bool"}
        found[f"{flat}_intensity"] = "double"
    found |= {"arousal": "string", "valence": "string"}
    for modality in MODALITIES:
        found |= {f"{modality}_present": "bool", f"{modality}_reason": "string"}
    found |= {"evidence_sufficient": "bool", "evidence_reasons": "list<string>"}
    found |= {"n_faces": "int32", "face_track": "int32", "face_chosen_by": "string"}
    found |= {"face_confidence": "double", "face_doubt": "string"}
    found |= {"quality": "map<string, double>", "other_scores": "map<string, double>"}
    return found


def dataset_bytes(result: VideoResult, target: str) -> bytes:
    """Return a result's utterances as a Parquet file of the dataset.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not there.
    """
    return published_bytes(to_json(result), target)


def published_bytes(published: Mapping[str, Any], target: str) -> bytes:
    """Return what `dataset_bytes` does of a result that is in its published shape.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not there.
    """
    pyarrow = require("pyarrow", feature="the dataset of utterances")
    parquet = require("pyarrow.parquet", feature="the dataset of utterances")
    video = {"video": _text(target), **_of_video(published)}
    rows = [{**video, **_of_utterance(utterance)} for utterance in published["utterances"]]
    fields = [pyarrow.field(name, _type(pyarrow, kind)) for name, kind in columns().items()]
    schema = pyarrow.schema(fields, metadata={"affect_pipe": VERSION})
    stream = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), stream)
    return stream.getvalue()


def _type(pyarrow: Any, name: str) -> Any:
    simple = {
        "string": pyarrow.string(),
        "double": pyarrow.float64(),
        "bool": pyarrow.bool_(),
        "int32": pyarrow.int32(),
    }
    if name == "list<string>":
        return pyarrow.list_(pyarrow.string())
    if name == "map<string, double>":
        return pyarrow.map_(pyarrow.string(), pyarrow.float64())
    return simple[name]


def _of_video(published: Mapping[str, Any]) -> dict[str, Any]:
    media, model, asr = published["media"], published["model"], published["asr"]
    return {
        "file": _text(media["file"]),
        "media_digest": media["digest"],
        "model": _text(model["name"]),
        "model_digest": model["digest"],
        "asr": asr["source"],
        "asr_model": _text(asr["model"]),
        "language": asr["language"],
        "guesses": asr["guesses"],
    }


def _of_utterance(utterance: Mapping[str, Any]) -> dict[str, Any]:
    sentiment = utterance.get("sentiment") or {}
    row: dict[str, Any] = {name: utterance[name] for name in ("index", "start_s", "end_s")} | {
        "speaker": _text(utterance.get("speaker")),
        "text": _text(utterance["text"]),
        "sentiment": sentiment.get("label"),
        "sentiment_intensity": sentiment.get("intensity"),
    }
    scores: dict[str, Any] = {
        f"p_{_flat(k)}": p for k, p in (sentiment.get("probabilities") or {}).items()
    }
    for name, emotion in (utterance.get("emotions") or {}).items():
        flat = _flat(name)
        scores |= {f"{flat}_{what}": emotion[what] for what in _OF_EMOTION}
    for scale in ("arousal", "valence"):
        judged = utterance.get(scale) or {}
        row[scale] = judged.get("label")
        probabilities = judged.get("probabilities") or {}
        scores |= {f"p_{scale}_{_flat(k)}": p for k, p in probabilities.items()}
    for modality, found in utterance["modalities"].items():
        row |= {f"{modality}_present": found["present"], f"{modality}_reason": found["reason"]}
    evidence, face = utterance.get("evidence") or {}, utterance.get("face") or {}
    row["evidence_sufficient"] = evidence.get("sufficient")
    row["evidence_reasons"] = evidence.get("reasons")
    for name in _FACE:
        row[name if name == "n_faces" else f"face_{name}"] = face.get(name)
    row["quality"] = [
        (name, value)
        for found in utterance["modalities"].values()
        for name, value in found["quality"].items()
        if value is not None
    ]
    usual = columns()
    row |= {name: value for name, value in scores.items() if name in usual}
    # A decision of an unusual emotion counts as 0 or 1 there.
    row["other_scores"] = [
        (name, float(value))
        for name, value in scores.items()
        if name not in usual and value is not None
    ]
    return row


def _flat(name: str) -> str:
    return name.replace("-", "_").replace(" ", "_")


def _text(text: str | None) -> str | None:
    """Return text that UTF-8 can hold: a file name may be none."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
