"""What the page's scripts read: a result and its signals as compact JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import MODALITIES
from affect_pipe.pipeline.results.attention_files import panel_rows, panel_title
from affect_pipe.pipeline.results.json_result import ATTENDED
from affect_pipe.pipeline.results.report.data import Measure, ReportData, Signals, Traces, Values

# The intensity curve of a model that predicts none: by which class it leans which way.
_LEANING = {"negative": -1.0, "positive": 1.0}
_WEIGHT_SCALE = 10_000  # the published result has four decimals


def page_data(data: ReportData) -> dict[str, Any]:
    """Return the JSON of a page."""
    result, signals = data.result, data.signals
    utterances: Sequence[Mapping[str, Any]] = result["utterances"]
    emotions = emotion_names(utterances)
    return {
        "duration": result["media"]["duration_s"],
        "player": {"kind": data.player.kind, "source": data.player.source},
        "emotions": list(emotions),
        "levels": {name: _levels(utterances, name) for name in ("arousal", "valence")},
        "utterances": [_utterance(utterance, emotions) for utterance in utterances],
        "timeline": _timeline(data),
        "attended": ATTENDED,
        "attention": _attention(shown_maps(result), len(utterances)),
        "speech": None if signals.speech is None else _intervals(signals),
        "waveform": _grid(signals.waveform, signals.waveform_step_s),
        "faces": _grid(signals.faces, signals.faces_step_s),
        "values": [_values(values, utterances) for values in signals.values],
        "traces": [_traces(traces, utterances) for traces in signals.traces],
        "missing": dict(signals.missing),
    }


def emotion_names(utterances: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the emotions that the model predicts, in its order."""
    found = (utterance["emotions"] for utterance in utterances if utterance.get("emotions"))
    return tuple(next(found, {}))


def has(utterances: Sequence[Mapping[str, Any]], part: str) -> bool:
    """Whether any utterance has a part that is told of some models or runs only."""
    return any(utterance.get(part) for utterance in utterances)


def speakers(utterances: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of speakers, in order of appearance."""
    return list(dict.fromkeys(u["speaker"] for u in utterances if u.get("speaker")))


def packed(array: npt.NDArray[Any]) -> str:
    """Return the bytes of an array, little-endian, row by row, in base64."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def _utterance(utterance: Mapping[str, Any], emotions: Sequence[str]) -> dict[str, Any]:
    sentiment, found = utterance.get("sentiment"), utterance.get("emotions")
    fields: dict[str, Any] = {
        "start": utterance["start_s"],
        "end": utterance["end_s"],
        "text": utterance["text"],
        "speaker": utterance.get("speaker"),
        "sentiment": sentiment and {**sentiment, "curve": _curve(sentiment)},
        "emotions": found and [_emotion(found.get(name)) for name in emotions],
        "modalities": [
            [m["present"], m["reason"], m["quality"]]
            for m in (utterance["modalities"][name] for name in MODALITIES)
        ],
    }
    for part in ("arousal", "valence", "evidence", "contributions", "face"):
        if part in utterance:
            fields[part] = utterance[part]
    return fields


def _emotion(found: Mapping[str, Any] | None) -> list[Any]:
    if found is None:
        return [None, None, None]
    return [found["probability"], found["present"], found["intensity"]]


def _curve(sentiment: Mapping[str, Any]) -> float | None:
    """Return a value from -3 to 3: the intensity, or else how the classes lean."""
    if sentiment["intensity"] is not None:
        return float(sentiment["intensity"])
    shares = sentiment["probabilities"] or {}
    if not _LEANING.keys() <= shares.keys():
        return None
    leaning: float = sum(sign * shares[label] for label, sign in _LEANING.items())
    return round(3.0 * leaning, 4)


def _timeline(data: ReportData) -> list[dict[str, Any]]:
    """Return the rows of the timeline from top to bottom, with their heights in pixels."""
    utterances = data.result["utterances"]
    heights = {
        "sentiment": 110 if has(utterances, "sentiment") else 0,
        "arousal": 70 if has(utterances, "arousal") else 0,
        "valence": 70 if has(utterances, "valence") else 0,
        "emotions": 17 * len(emotion_names(utterances)),
        "presence": 54,
        "waveform": 0 if data.signals.waveform is None else 56,
    }
    return [{"kind": kind, "height": height} for kind, height in heights.items() if height]


def timeline_height(data: ReportData) -> int:
    """Return the height of the timeline in pixels, known before it is drawn."""
    heights = [int(row["height"]) for row in _timeline(data)]
    return sum(heights) + 8 * (len(heights) - 1) + 40


def _levels(utterances: Sequence[Mapping[str, Any]], name: str) -> list[str] | None:
    found = (u[name]["probabilities"] for u in utterances if u.get(name))
    first = next(found, None)
    return None if first is None else list(first)


def shown_maps(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attention maps in which anything attends to anything.

    Those of a modality that is absent everywhere hold no weight at all.
    """
    return {name: rows for name, rows in result["attention"].items() if any(rows)}


def _attention(maps: Mapping[str, Any], n: int) -> list[dict[str, Any]]:
    """Return maps in the order of the papers' panels: a row of them a pair of modalities.

    Of each row of a map the strongest weights: which utterance, and the weight in ten thousandths;
    places that are not filled have the number ``n`` of utterances.
    """
    found = []
    for number, names in enumerate(panel_rows(list(maps))):
        for name in names:
            rows = maps[name]
            index = np.full((n, ATTENDED), n, np.uint16 if n < 1 << 16 else np.uint32)
            weight = np.zeros((n, ATTENDED), np.uint16)
            for i, pairs in enumerate(rows[:n]):
                for place, (j, share) in enumerate(pairs[:ATTENDED]):
                    index[i, place], weight[i, place] = j, round(share * _WEIGHT_SCALE)
            found.append(
                {
                    "name": name,
                    "title": panel_title(name).replace("\n", " "),
                    "row": number,
                    "wide": bool(index.dtype.itemsize > 2),
                    "index": packed(index),
                    "weight": packed(weight),
                }
            )
    return found


def _intervals(signals: Signals) -> list[list[float]]:
    return [[round(i.start_s, 2), round(i.end_s, 2)] for i in signals.speech or ()]


def _grid(values: npt.NDArray[np.uint8] | None, step_s: float) -> dict[str, Any] | None:
    return None if values is None else {"step": step_s, "values": packed(values)}


def _measures(measures: Sequence[Measure]) -> list[dict[str, str]]:
    return [{"name": m.name, "label": m.label, "unit": m.unit} for m in measures]


def _values(found: Values, utterances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "modality": found.modality,
        "feature": found.feature,
        "measures": _measures(found.measures),
        "rows": [_numbers(row) for row in found.values],
        "usual": _usual(found.values, [u.get("speaker") or "" for u in utterances]),
    }


def _usual(values: npt.NDArray[np.float32], names: Sequence[str]) -> dict[str, Any]:
    """Return mean and standard deviation of each column, speaker by speaker."""
    usual = {}
    for name in dict.fromkeys(names):
        rows = values[np.array([other == name for other in names], bool)].astype(np.float64)
        known = np.isfinite(rows)
        n = known.sum(axis=0)
        # Written out: NumPy's own warn of columns without a value.
        mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(n, 1)
        spread = np.where(known, rows - mean, 0.0)
        deviation = np.sqrt((spread**2).sum(axis=0) / np.maximum(n - 1, 1))
        usual[name] = {
            "n": n.tolist(),
            "mean": _numbers(np.where(n > 0, mean, np.nan)),
            "sd": _numbers(np.where(n > 1, deviation, np.nan)),
        }
    return usual


def _traces(found: Traces, utterances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return traces with 8 bits a value: 0 where nothing was measured, else 1 to 255.

    Means and deviations are over the speaker's utterances.
    """
    known = np.isfinite(found.values)
    low = np.where(known, found.values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, found.values, -np.inf).max(axis=0, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0)
    low, span = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(span), span, 1.0)
    levels = np.rint(1 + 254 * (np.where(known, found.values, low) - low) / span)
    steps = np.where(known, levels, 0).astype(np.uint8)
    return {
        "modality": found.modality,
        "feature": found.feature,
        "measures": _measures(found.measures),
        "step": found.step_s,
        "low": _numbers(low),
        "span": _numbers(span),
        "n": len(steps),
        "values": packed(np.ascontiguousarray(steps.T)),
        "usual": _usual(*_spoken(found, utterances)),
    }


def _spoken(
    found: Traces, utterances: Sequence[Mapping[str, Any]]
) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Return the steps within utterances, with the name of the speaker of each."""
    parts, names = [found.values[:0]], []
    for utterance in utterances:
        first = int(utterance["start_s"] / found.step_s)
        part = found.values[first : max(first + 1, round(utterance["end_s"] / found.step_s))]
        parts.append(part)
        names += [utterance.get("speaker") or ""] * len(part)
    return np.concatenate(parts), names


def _numbers(values: npt.NDArray[Any]) -> list[float | None]:
    """Return numbers with four significant digits, None where they are none."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values.tolist()]
