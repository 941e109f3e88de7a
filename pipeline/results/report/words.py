"""Numbers of a result in words, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def clock(seconds: float) -> str:
    """Return ``1:02:03.4`` of seconds, without the hours where there are none."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def signed(value: float | None) -> str:
    """Return ``+1.2`` of a number, with a true minus sign; empty for None."""
    return "" if value is None else f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def sentiment_in_words(utterance: Mapping[str, Any]) -> str:
    """Return ``positive +2.7``, as far as the model says; empty where it says nothing."""
    found = utterance.get("sentiment")
    if not found:
        return ""
    return " ".join(part for part in (found["label"] or "", signed(found["intensity"])) if part)


def strength(emotion: Mapping[str, Any]) -> str:
    """Return the intensity of an emotion, of 3, or else its probability in percent."""
    if emotion["intensity"] is not None:
        return f"{emotion['intensity']:.1f}"
    return "" if emotion["probability"] is None else f"{emotion['probability']:.0%}"


def emotions_present(utterance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and strength of the emotions that are taken to be present, strongest first.

    Where the model decides nothing, those of intensity 0.5 and more.
    """
    emotions: Mapping[str, Mapping[str, Any]] = utterance.get("emotions") or {}
    found = [
        (name, emotion)
        for name, emotion in emotions.items()
        if emotion["present"] or (emotion["present"] is None and (emotion["intensity"] or 0) >= 0.5)
    ]
    found.sort(key=lambda pair: -(pair[1]["intensity"] or pair[1]["probability"] or 0.0))
    return [(name, strength(emotion)) for name, emotion in found]


def emotions_in_words(utterance: Mapping[str, Any]) -> str:
    """Return ``happy 2.1, surprise 0.9``; empty where no emotion is taken to be present."""
    return ", ".join(
        name if name == "no-emotion" else f"{name} {how_much}".strip()
        for name, how_much in emotions_present(utterance)
    )
