"""What was predicted of an utterance in a few words: ``happy 2.1, positive +1.3``."""

from __future__ import annotations

from affect_pipe.pipeline.results.result_parts import EmotionPart, UtterancePart

# The absence of emotion is told by no emotion being named.
_NO_EMOTION = "no-emotion"
# Of models that predict degrees alone, what rounds to this is shown.
_SHOWN_INTENSITY = 0.5


def tag_of(utterance: UtterancePart) -> str:
    """Return the emotions that are present, strongest first, then sentiment; "" for nothing.

    A question mark after it says that the evidence cannot carry the prediction.
    """
    parts = [
        name if emotion.intensity is None else f"{name} {_tenths(emotion.intensity):.1f}"
        for name, emotion in shown_emotions(utterance)
    ]
    sentiment = utterance.sentiment
    if sentiment is not None:
        strength = "" if sentiment.intensity is None else f"{_tenths(sentiment.intensity):+.1f}"
        parts.append(" ".join(part for part in (sentiment.label, strength) if part))
    for name, scale in (("arousal", utterance.arousal), ("valence", utterance.valence)):
        if scale is not None:
            parts.append(f"{name} {scale.label}")
    doubtful = utterance.evidence is not None and not utterance.evidence.sufficient
    text = ", ".join(part for part in parts if part)
    return f"{text}?" if text and doubtful else text


def shown_emotions(utterance: UtterancePart) -> list[tuple[str, EmotionPart]]:
    """Return the emotions that are present, strongest first, without the absence of any."""
    emotions = utterance.emotions or {}
    present = [(n, e) for n, e in emotions.items() if n != _NO_EMOTION and _is_present(e)]
    return sorted(
        present, key=lambda pair: (-(pair[1].intensity or 0), -(pair[1].probability or 0))
    )


def _is_present(emotion: EmotionPart) -> bool:
    if emotion.present is None:
        return (emotion.intensity or 0) >= _SHOWN_INTENSITY
    return emotion.present


def _tenths(value: float) -> float:
    # Adding zero turns -0.0 into 0.0.
    return round(value, 1) + 0.0
