"""The JSON result: everything one run found in one video.

The published shape is ``affect-pipe-1.schema.json`` beside this file. The same run gives the same
bytes but for ``timings_s``: numbers are rounded (times and qualities to 3 decimals, probabilities,
intensities, contributions and attention to 4), and the file is named without its folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path, PurePath
from typing import Any, SupportsFloat

import numpy as np

from affect_pipe.pipeline.records import (
    MODALITIES,
    ClassPrediction,
    Contribution,
    Contributions,
    Evidence,
    FeatureBlock,
    FeatureSpec,
    FloatArray,
    Media,
    Modality,
    ModelInfo,
    ModelOutputs,
    Segment,
    Transcript,
    Utterance,
    UtterancePrediction,
    VideoResult,
)
from affect_pipe.pipeline.results.speaking_face import (
    FACE_COLUMNS,
    face_of,
    face_to_json,
    speaking_faces_to_json,
)
from affect_pipe.pipeline.results.writing import write_result
from affect_pipe.pipeline.serialise import spec_to_json

SCHEMA = "affect-pipe/1"
ATTENDED = 20
NOT_USED = "the model does not use it"
NOTHING_THERE = "no words, voice or face"
_TIME_DIGITS = 3
_QUALITY_DIGITS = 3
_SCORE_DIGITS = 4


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every result follows."""
    file = resources.files("affect_pipe.pipeline.results") / "affect-pipe-1.schema.json"
    published: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return published


def to_json(result: VideoResult) -> dict[str, Any]:
    """Return a result as plain JSON types in the published shape.

    What is not a finite number is None: JSON has no NaN.
    """
    speakers = speaking_faces_to_json(result.features)
    return {
        "schema": SCHEMA,
        "media": _media(result.media),
        "asr": _asr(result.transcript),
        "model": _model(result.model),
        "features": [_contract(block.spec) for block in result.features.blocks.values()],
        "utterances": utterances_to_json(result),
        # Only where the words name speakers: other results stay as they were.
        **({"speakers": speakers} if speakers else {}),
        "attention": {name: _attended(m) for name, m in result.prediction.attention.items()},
        "warnings": list(result.warnings),
        "timings_s": {n: _number(s, _TIME_DIGITS) for n, s in result.timings_s.items()},
    }


def _contract(spec: FeatureSpec) -> dict[str, Any]:
    """Return what a checkpoint asks of a feature; which release computed it is not part of it."""
    return {name: value for name, value in spec_to_json(spec).items() if name != "backend"}


def utterances_to_json(result: VideoResult) -> list[dict[str, Any]]:
    """Return the ``utterances`` of `to_json`."""
    rows = zip(result.features.utterances, result.prediction.utterances, strict=True)
    found = [
        _utterance(utterance, row, prediction, result.features.blocks, result.model.outputs)
        for row, (utterance, prediction) in enumerate(rows)
    ]
    # Only where they were asked for: other results stay as they were.
    if result.contributions is not None:
        for fields, contributions in zip(found, result.contributions, strict=True):
            fields["contributions"] = _contributions(contributions, result.model.outputs)
    return found


def write_json(result: VideoResult, path: str | Path) -> None:
    """Write a result as a JSON file in UTF-8, whole or not at all.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    text = "\n".join(_lines(to_json(result), "")) + "\n"
    # Half a surrogate pair (a file name that is no UTF-8) becomes \udcxx, which JSON reads back.
    write_result(path, text.encode("utf-8", "backslashreplace"))


def _number(value: SupportsFloat, digits: int) -> float | None:
    """Return ``value`` rounded, None where it is not finite."""
    number = float(value)
    # Adding zero turns -0.0 into 0.0.
    return round(number, digits) + 0.0 if math.isfinite(number) else None


def _name_only(name: str) -> str:
    """Return a model's name without the folders of one user's disk."""
    return PurePath(name).name if PurePath(name).is_absolute() else name


def _media(media: Media) -> dict[str, Any]:
    audio, video = media.audio, media.video
    return {
        "file": media.path.name,
        "digest": media.digest,
        "container": media.container,
        "duration_s": _number(media.duration_s, _TIME_DIGITS),
        "audio": audio
        and {
            "codec": audio.codec,
            "sample_rate_hz": audio.sample_rate_hz,
            "n_channels": audio.n_channels,
        },
        "video": video
        and {
            "codec": video.codec,
            "width_px": video.width_px,
            "height_px": video.height_px,
            "average_rate_hz": _number(video.average_rate_hz, _TIME_DIGITS),
            "rotation_deg": video.rotation_deg,
        },
    }


def _asr(transcript: Transcript) -> dict[str, Any]:
    diarisation = transcript.diarisation
    judged = [_segment(s) for s in transcript.segments if s.quality or s.doubt]
    return {
        "source": transcript.source,
        "model": _name_only(transcript.model),
        "language": transcript.language,
        "word_times": transcript.word_times,
        "guesses": bool(transcript.guesses),
        "warnings": list(transcript.warnings),
        **({"diarisation": diarisation.name} if diarisation else {}),
        **({"segments": judged} if judged else {}),
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start_s": _number(segment.start_s, _TIME_DIGITS),
        "end_s": _number(segment.end_s, _TIME_DIGITS),
        "text": segment.text,
        "doubt": segment.doubt,
        "quality": {
            name: _number(value, _QUALITY_DIGITS) for name, value in sorted(segment.quality.items())
        },
    }


def _model(model: ModelInfo) -> dict[str, Any]:
    return {
        "name": _name_only(model.name),
        "digest": model.digest,
        "backbone": model.backbone,
        "licence": model.licence,
    }


def _utterance(
    utterance: Utterance,
    row: int,
    prediction: UtterancePrediction | None,
    blocks: Mapping[Modality, FeatureBlock],
    outputs: ModelOutputs,
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "index": utterance.index,
        "start_s": _number(utterance.start_s, _TIME_DIGITS),
        "end_s": _number(utterance.end_s, _TIME_DIGITS),
        "text": utterance.text,
    }
    if utterance.speaker is not None:
        fields["speaker"] = utterance.speaker
    # Left out where the model does not predict it; None where there was nothing to judge by.
    if outputs.sentiment is not None:
        fields["sentiment"] = prediction and _sentiment(prediction)
    if outputs.emotions is not None:
        fields["emotions"] = prediction and _emotions(prediction)
    if outputs.arousal is not None:
        fields["arousal"] = prediction and _classes(prediction.arousal)
    if outputs.valence is not None:
        fields["valence"] = prediction and _classes(prediction.valence)
    if outputs.evidence:
        fields["evidence"] = _evidence(prediction)
    fields["modalities"] = {m: _modality(blocks.get(m), row) for m in MODALITIES}
    face = face_of(blocks.get("visual"), row)
    if face is not None:
        fields["face"] = face_to_json(face)
    return fields


def _sentiment(prediction: UtterancePrediction) -> dict[str, Any]:
    probabilities = prediction.sentiment_probabilities
    return {
        "label": prediction.sentiment_label,
        "probabilities": _probabilities(probabilities) if probabilities else None,
        "intensity": _score(prediction.sentiment_intensity),
    }


def _emotions(prediction: UtterancePrediction) -> dict[str, Any]:
    return {
        name: {
            "probability": _score(emotion.probability),
            "present": None if emotion.present is None else bool(emotion.present),
            "intensity": _score(emotion.intensity),
        }
        for name, emotion in prediction.emotions.items()
    }


def _classes(found: ClassPrediction | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"label": found.label, "probabilities": _probabilities(found.probabilities)}


def _evidence(prediction: UtterancePrediction | None) -> dict[str, Any]:
    found = Evidence(False, (NOTHING_THERE,)) if prediction is None else prediction.evidence
    if found is None:
        found = Evidence(True)
    return {"sufficient": found.sufficient, "reasons": list(found.reasons)}


def _contributions(
    found: Contributions | None, outputs: ModelOutputs
) -> dict[str, dict[str, Any] | None] | None:
    if found is None:
        return None
    return {m: None if c is None else _contribution(c, outputs) for m, c in found.items()}


def _contribution(found: Contribution, outputs: ModelOutputs) -> dict[str, Any]:
    without = found.without
    fields: dict[str, Any] = {}
    if outputs.sentiment is not None:
        fields["sentiment"] = {
            "label_without": without.sentiment_label,
            "probability": _score(found.sentiment),
            "intensity": _score(found.intensity),
        }
    if outputs.emotions is not None:
        fields["emotions"] = {
            "probability": _probabilities(found.emotions) or None,
            "intensity": _probabilities(found.emotion_intensities) or None,
        }
    for name, levels, level, change in (
        ("arousal", outputs.arousal, without.arousal, found.arousal),
        ("valence", outputs.valence, without.valence, found.valence),
    ):
        if levels is not None:
            fields[name] = {"label_without": level and level.label, "probability": _score(change)}
    return fields


def _probabilities(probabilities: Mapping[str, float]) -> dict[str, float | None]:
    return {label: _score(p) for label, p in probabilities.items()}


def _score(value: float | None) -> float | None:
    return None if value is None else _number(value, _SCORE_DIGITS)


def _modality(block: FeatureBlock | None, row: int) -> dict[str, Any]:
    if block is None:
        return {"present": False, "reason": NOT_USED, "quality": {}}
    return {
        "present": bool(block.present[row]),
        "reason": block.reasons[row],
        "quality": {
            n: _number(column[row], _QUALITY_DIGITS)
            for n, column in block.quality.items()
            if n not in FACE_COLUMNS
        },
    }


def _attended(matrix: FloatArray) -> list[list[list[float]]]:
    """Return, for each row, [index, weight] of what it attends to most, strongest first.

    Cut at `ATTENDED` weights a row: whole matrices of a two-hour talk would take 100 MB.
    """
    rows = []
    for weights in matrix:
        # Stable, so that equal weights come in order of time.
        strongest = np.argsort(-weights, kind="stable")[:ATTENDED]
        pairs = [[int(i), _number(weights[i], _SCORE_DIGITS) or 0.0] for i in strongest]
        rows.append([pair for pair in pairs if pair[1] > 0])
    return rows


def _lines(value: object, indent: str) -> list[str]:
    """Return ``value`` as lines of JSON, each object or list of plain values on one line.

    The standard indentation would give every number its own line.
    """
    if not isinstance(value, dict | list) or _is_flat(value):
        return [json.dumps(value, ensure_ascii=False, allow_nan=False)]
    inner = indent + "  "
    items: list[tuple[str, object]]
    if isinstance(value, dict):
        opening, closing = "{", "}"
        items = [(json.dumps(key, ensure_ascii=False) + ": ", item) for key, item in value.items()]
    else:
        opening, closing = "[", "]"
        items = [("", item) for item in value]
    lines = [opening]
    for number, (label, item) in enumerate(items, start=1):
        first, *rest = _lines(item, inner)
        lines += [f"{inner}{label}{first}", *rest]
        if number < len(items):
            lines[-1] += ","
    return [*lines, f"{indent}{closing}"]


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    """Whether ``value`` holds plain values only, or is a list of pairs of numbers."""
    items = value.values() if isinstance(value, dict) else value
    if not any(isinstance(item, dict | list) for item in items):
        return True
    return isinstance(value, list) and all(
        isinstance(item, list) and all(isinstance(number, int | float) for number in item)
        for item in value
    )
