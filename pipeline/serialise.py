"""Records to cache entries and back, without loss.

Each pair of functions turns a record into ``(arrays, meta)`` as `Cache.put` takes them and rebuilds
it from an `Entry`. Numbers that come by the utterance or the pair are arrays; text and the little
around it is JSON, whose numbers Python reads back bit for bit. Lists of pairs keep orders that
canonical JSON, with its sorted keys, would lose.

A change of what is stored here must raise `fingerprint.KEY_FORMAT`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.entry_format import digest_array
from affect_pipe.pipeline.fingerprint import digest_json
from affect_pipe.pipeline.records import (
    ClassPrediction,
    EmotionPrediction,
    Evidence,
    FeatureBlock,
    FeatureSpec,
    Interval,
    Prediction,
    Segment,
    Transcript,
    UtterancePrediction,
    Word,
)

Array = npt.NDArray[Any]


class Stored(NamedTuple):
    """What `Cache.put` takes."""

    arrays: dict[str, Array]
    meta: dict[str, Any]


class StoredEntry(Protocol):
    """What is read of an entry: `cache.Entry`, or `Stored` itself."""

    @property
    def arrays(self) -> dict[str, Array]:
        """Arrays by name."""

    @property
    def meta(self) -> dict[str, Any]:
        """JSON."""


def transcript_to_entry(transcript: Transcript) -> Stored:
    """Return a transcript in its stored form."""
    meta = _meta(
        "transcript",
        source=transcript.source,
        model=transcript.model,
        language=transcript.language,
        word_times=transcript.word_times,
        guesses=bool(transcript.guesses),
        warnings=list(transcript.warnings),
        segments=[
            {
                "start_s": float(segment.start_s),
                "end_s": float(segment.end_s),
                "text": segment.text,
                "speaker": segment.speaker,
                "words": [_word_to_json(word) for word in segment.words],
                "quality": {name: float(value) for name, value in segment.quality.items()},
                "doubt": segment.doubt,
            }
            for segment in transcript.segments
        ],
    )
    return Stored({}, meta)


def transcript_from_entry(entry: StoredEntry) -> Transcript:
    """Rebuild a transcript.

    Raises
    ------
    ValueError
        If the entry holds another kind of record.
    """
    meta = _checked(entry, "transcript")
    return Transcript(
        segments=tuple(
            Segment(
                segment["start_s"],
                segment["end_s"],
                segment["text"],
                tuple(Word(*word) for word in segment["words"]),
                segment["speaker"],
                # Entries of earlier versions have neither.
                segment.get("quality", {}),
                segment.get("doubt"),
            )
            for segment in meta["segments"]
        ),
        source=meta["source"],
        model=meta["model"],
        language=meta["language"],
        word_times=meta["word_times"],
        guesses=meta["guesses"],
        warnings=tuple(meta["warnings"]),
    )


def _word_to_json(word: Word) -> list[str | float | None]:
    confidence = None if word.confidence is None else float(word.confidence)
    return [word.text, float(word.start_s), float(word.end_s), confidence]


def intervals_to_entry(intervals: Sequence[Interval]) -> Stored:
    """Return intervals in their stored form: float64 [n, 2] of start_s, end_s."""
    pairs = [(interval.start_s, interval.end_s) for interval in intervals]
    return Stored({"intervals": np.array(pairs, np.float64).reshape(-1, 2)}, _meta("intervals"))


def intervals_from_entry(entry: StoredEntry) -> tuple[Interval, ...]:
    """Rebuild intervals.

    Raises
    ------
    ValueError
        If the entry holds another kind of record.
    """
    _checked(entry, "intervals")
    return tuple(Interval(start_s, end_s) for start_s, end_s in entry.arrays["intervals"].tolist())


def block_to_entry(block: FeatureBlock) -> Stored:
    """Return a feature block in its stored form: values, present and one array a quality."""
    arrays: dict[str, Array] = {"values": block.values, "present": block.present}
    arrays |= {f"quality/{name}": column for name, column in block.quality.items()}
    meta = _meta(
        "feature-block",
        spec=spec_to_json(block.spec),
        reasons=list(block.reasons),
        quality=list(block.quality),
    )
    return Stored(arrays, meta)


def block_from_entry(entry: StoredEntry) -> FeatureBlock:
    """Rebuild a feature block; its arrays are those of the entry, not copies.

    Raises
    ------
    ValueError
        If the entry holds another kind of record.
    """
    meta = _checked(entry, "feature-block")
    return FeatureBlock(
        spec=spec_from_json(meta["spec"]),
        values=entry.arrays["values"],
        present=entry.arrays["present"],
        reasons=tuple(meta["reasons"]),
        quality={name: entry.arrays[f"quality/{name}"] for name in meta["quality"]},
    )


def block_digest(block: FeatureBlock) -> str:
    """Return the digest of everything a block holds, as an upstream key of what is made from it."""
    arrays, meta = block_to_entry(block)
    return digest_json([meta, {name: digest_array(name, array) for name, array in arrays.items()}])


def spec_to_json(spec: FeatureSpec) -> dict[str, Any]:
    """Return a feature spec as JSON-able fields."""
    return {
        "name": spec.name,
        "modality": spec.modality,
        "dim": spec.dim,
        "columns": list(spec.columns),
        "version": spec.version,
        "settings": dict(spec.settings),
        "model_id": spec.model_id,
        "weights_digest": spec.weights_digest,
        "backend": spec.backend,
    }


def spec_from_json(fields: Mapping[str, Any]) -> FeatureSpec:
    """Rebuild a feature spec.

    Raises
    ------
    TypeError, ValueError
        If fields are missing, unknown or do not fit each other.
    """
    return FeatureSpec(**{**fields, "columns": tuple(fields["columns"])})


def prediction_to_entry(prediction: Prediction) -> Stored:
    """Return a prediction in its stored form: one attention array a matrix, the rest JSON."""
    arrays: dict[str, Array] = {
        f"attention/{name}": matrix for name, matrix in prediction.attention.items()
    }
    meta = _meta(
        "prediction",
        utterances=[None if u is None else _judgement_to_json(u) for u in prediction.utterances],
        attention=list(prediction.attention),
    )
    return Stored(arrays, meta)


def prediction_from_entry(entry: StoredEntry) -> Prediction:
    """Rebuild a prediction.

    Raises
    ------
    ValueError
        If the entry holds another kind of record.
    """
    meta = _checked(entry, "prediction")
    return Prediction(
        utterances=tuple(
            None if fields is None else _judgement_from_json(fields)
            for fields in meta["utterances"]
        ),
        attention={name: entry.arrays[f"attention/{name}"] for name in meta["attention"]},
    )


def _judgement_to_json(judgement: UtterancePrediction) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "label": judgement.sentiment_label,
        "probabilities": [[k, float(p)] for k, p in judgement.sentiment_probabilities.items()],
        "intensity": _float(judgement.sentiment_intensity),
        "emotions": [
            [
                name,
                _float(e.probability),
                None if e.present is None else bool(e.present),
                _float(e.intensity),
            ]
            for name, e in judgement.emotions.items()
        ],
    }
    # What few models predict is stored where there is any: entries of the others stay as they were.
    for name, found in (("arousal", judgement.arousal), ("valence", judgement.valence)):
        if found is not None:
            fields[name] = [found.label, [[k, float(p)] for k, p in found.probabilities.items()]]
    if judgement.evidence is not None:
        fields["evidence"] = list(judgement.evidence.reasons)
    return fields


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _judgement_from_json(fields: Mapping[str, Any]) -> UtterancePrediction:
    reasons = fields.get("evidence")
    return UtterancePrediction(
        sentiment_label=fields["label"],
        sentiment_probabilities=dict(fields["probabilities"]),
        sentiment_intensity=fields["intensity"],
        emotions={name: EmotionPrediction(*rest) for name, *rest in fields["emotions"]},
        arousal=_classes_from_json(fields.get("arousal")),
        valence=_classes_from_json(fields.get("valence")),
        evidence=None if reasons is None else Evidence(not reasons, tuple(reasons)),
    )


def _classes_from_json(fields: Sequence[Any] | None) -> ClassPrediction | None:
    return None if fields is None else ClassPrediction(fields[0], dict(fields[1]))


def _meta(record: str, **fields: Any) -> dict[str, Any]:
    return {"record": record, **fields}


def _checked(entry: StoredEntry, record: str) -> dict[str, Any]:
    found = entry.meta.get("record")
    if found != record:
        raise ValueError(f"the cache entry holds {found!r}, not {record!r}")
    return entry.meta
