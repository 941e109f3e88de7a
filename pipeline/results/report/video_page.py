"""The page of one video."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.records import MODALITIES
from affect_pipe.pipeline.results.report.captions import to_webvtt
from affect_pipe.pipeline.results.report.data import ReportData
from affect_pipe.pipeline.results.report.page import Page, render
from affect_pipe.pipeline.results.report.view import (
    emotion_names,
    has,
    page_data,
    shown_maps,
    speakers,
    timeline_height,
)
from affect_pipe.pipeline.results.report.words import (
    clock,
    emotions_present,
    signed,
)
from affect_pipe.pipeline.results.writing import write_result

STYLES = ("video.css",)
SCRIPTS = (
    *("data.js", "choice.js", "player.js", "timeline.js"),
    *("table.js", "why.js", "keys.js"),
)
MODALITY_NAMES = {"text": "words", "acoustic": "voice", "visual": "face"}
_SHORTEST_S = 0.005  # what two decimals can tell from nothing
_NEUTRAL = 0.5  # of an intensity that no class goes with


def video_page(data: ReportData) -> bytes:
    """Return the page of one video, whole.

    Raises
    ------
    ResultError
        If the result does not have the published shape.
    """
    try:
        return render(_page(data))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ResultError(
            f"the result of {_name(data)} does not have the shape of affect-pipe/1 "
            f"({type(error).__name__}: {error}): make it again with affect-pipe run."
        ) from error


def write_video_page(data: ReportData, path: Path) -> None:
    """Write the page of one video, whole or not at all.

    Raises
    ------
    ResultError
        If it cannot be written, or the result does not have the published shape.
    """
    write_result(path, video_page(data))


def _name(data: ReportData) -> str:
    media = data.result.get("media")
    return str(media.get("file")) if isinstance(media, Mapping) else "a video"


def _page(data: ReportData) -> Page:
    result = data.result
    utterances: Sequence[Mapping[str, Any]] = result["utterances"]
    captions = to_webvtt(utterances)
    return Page(
        template="video.html",
        title=str(result["media"]["file"]),
        data=page_data(data),
        styles=STYLES,
        scripts=SCRIPTS,
        charts=True,
        local_media=data.player.kind == "link",
        context={
            "result": result,
            "player": data.player,
            "preview": base64.b64encode(data.player.preview).decode("ascii"),
            "captions": base64.b64encode(captions).decode("ascii"),
            "signals": data.signals,
            "timeline_height": timeline_height(data),
            "version": data.version,
            "duration": clock(result["media"]["duration_s"]),
            "rows": [_row(number, utterance) for number, utterance in enumerate(utterances)],
            "emotions": emotion_names(utterances),
            "labels": _labels(utterances),
            "speakers": speakers(utterances),
            "modality_names": MODALITY_NAMES,
            "has": {
                name: has(utterances, name)
                for name in ("sentiment", "emotions", "arousal", "valence", "contributions")
            },
            "has_evidence": any("evidence" in utterance for utterance in utterances),
            "has_attention": bool(shown_maps(result)) and bool(utterances),
            "n_empty_maps": len(result["attention"]) - len(shown_maps(result)),
            "doubted": [s for s in result["asr"].get("segments", ()) if s["doubt"]],
            "warnings": _warnings(data),
            "features": [_feature(feature) for feature in result["features"]],
            "timings": _timings(result["timings_s"]),
        },
    )


def _warnings(data: ReportData) -> list[str]:
    found = [*data.result["warnings"], *data.result["asr"]["warnings"]]
    return list(dict.fromkeys([*found, *([data.player.note] if data.player.note else [])]))


def _labels(utterances: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the sentiment classes that occur, in the order of the model's classes."""
    found = [u["sentiment"] for u in utterances if u.get("sentiment")]
    known = next((list(s["probabilities"]) for s in found if s["probabilities"]), [])
    used = {s["label"] for s in found}
    return [label for label in known if label in used]


def _row(number: int, utterance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of the table shows, as text."""
    sentiment = utterance.get("sentiment")
    evidence = utterance.get("evidence")
    return {
        "number": number,
        "index": utterance["index"],
        "time": clock(utterance["start_s"]),
        "length": f"{utterance['end_s'] - utterance['start_s']:.1f} s",
        "speaker": utterance.get("speaker") or "",
        "text": utterance["text"],
        "label": (sentiment or {}).get("label") or "",
        "tone": _tone(sentiment),
        "intensity": signed((sentiment or {}).get("intensity")),
        "emotions": emotions_present(utterance),
        "arousal": (utterance.get("arousal") or {}).get("label", ""),
        "valence": (utterance.get("valence") or {}).get("label", ""),
        "reasons": list(evidence["reasons"]) if evidence else [],
        "quality": _quality(utterance["modalities"], utterance.get("face")),
        "modalities": [
            {
                "name": MODALITY_NAMES[name],
                "present": utterance["modalities"][name]["present"],
                "reason": utterance["modalities"][name]["reason"],
            }
            for name in MODALITIES
        ],
    }


def _tone(sentiment: Mapping[str, Any] | None) -> str:
    """Return which of three colours a sentiment has: of its class, or else of its sign."""
    if sentiment is None:
        return ""
    if sentiment["label"] in ("negative", "neutral", "positive"):
        return str(sentiment["label"])
    intensity = sentiment["intensity"] or 0.0
    return "neutral" if abs(intensity) < _NEUTRAL else "positive" if intensity > 0 else "negative"


def _quality(modalities: Mapping[str, Any], face: Mapping[str, Any] | None) -> list[str]:
    """Say on how much an utterance stands: what a reader would want to know first."""
    found = []
    confidence = modalities["text"]["quality"].get("asr_confidence")
    if confidence is not None:
        found.append(f"words {confidence:.0%} sure")
    ratio_db = modalities["acoustic"]["quality"].get("snr_db")
    if ratio_db is not None and modalities["acoustic"]["present"]:
        found.append(f"voice {ratio_db:.0f} dB over noise")
    coverage = modalities["visual"]["quality"].get("face_coverage")
    if coverage is not None and modalities["visual"]["present"]:
        found.append(f"face {coverage:.0%} of the time")
    if face is not None and face["doubt"]:
        found.append(str(face["doubt"]))
    return found


def _feature(feature: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": feature["name"],
        "modality": MODALITY_NAMES[feature["modality"]],
        "version": feature["version"],
        "dim": feature["dim"],
        "model_id": feature["model_id"],
        "weights_digest": feature["weights_digest"],
        "settings": json.dumps(feature["settings"], ensure_ascii=False, sort_keys=True),
    }


def _timings(timings_s: Mapping[str, float]) -> list[tuple[str, str]]:
    # A result has seconds alone, which do not tell what was found from what was quickly done.
    return [
        (name, f"{s:.2f} s" if s >= _SHORTEST_S else "from the cache, or under 5 ms")
        for name, s in sorted(timings_s.items())
    ]
