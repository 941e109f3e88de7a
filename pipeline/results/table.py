"""The table a run shows: one row an utterance, readable without colours, complete at any width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from affect_pipe.pipeline.records import (
    MODALITIES,
    ClassPrediction,
    EmotionPrediction,
    ModelOutputs,
    Utterance,
    UtterancePrediction,
    VideoFeatures,
    VideoResult,
)
from affect_pipe.pipeline.results.terminal_text import printable

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {"negative": "red", "neutral": "", "positive": "green"}
_SENSES = {"text": "words", "acoustic": "voice", "visual": "face"}
NOTHING = "-"
# After the time of an utterance whose evidence cannot carry a prediction.
DOUBTFUL = " ?"
# Without a decision of the model, emotions that round to this intensity at least are shown.
_SHOWN_INTENSITY = 0.5
# Below this, rich would cut columns off: five columns at their narrowest, in a video of hours.
_SIDE_BY_SIDE = 72
# A screenful; the files keep every word.
_MAX_TEXT = 1000
_CUT = " [...]"


def to_table(result: VideoResult, width: int = _SIDE_BY_SIDE) -> Table:
    """Return a rich table of time, text, sentiment, its intensity, and emotions with theirs.

    Sentiment intensity is in [-3, 3], emotion intensity in [0, 3]. Emotions are those the model
    decided are present, strongest first. Arousal and valence have columns where the model predicts
    them; what it does not predict has none. The caption says where words, voice or face were
    missing, and what the mark of too little evidence means.

    Parameters
    ----------
    width : int
        Columns of the terminal. Where the table's columns do not fit, each utterance becomes a few
        lines.
    """
    # rich takes 50 ms to import, which nothing but a table should pay for.
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(printable(result.media.path.name)),
        caption=Text(f"{caption(result.features)} {_doubts(result)}".strip()),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    fill = _columns if width >= _needed(result.model.outputs) else _stack
    fill(table, result)
    return table


def _needed(outputs: ModelOutputs) -> int:
    """Columns of terminal that the table's columns take at their narrowest."""
    usual = max(map(len, _STYLES))
    needed = _SIDE_BY_SIDE + max(0, *(len(name) - usual for name in outputs.sentiment or ("",)))
    needed += sum(1 + max(map(len, labels)) for _, labels in _scales(outputs))
    return needed + len(DOUBTFUL) * outputs.evidence


def _scales(outputs: ModelOutputs) -> list[tuple[str, tuple[str, ...]]]:
    found = [("Arousal", outputs.arousal), ("Valence", outputs.valence)]
    return [(name, (name, *labels)) for name, labels in found if labels is not None]


def _columns(table: Table, result: VideoResult) -> None:
    from rich.text import Text

    outputs = result.model.outputs
    table.add_column("Time", no_wrap=True)
    table.add_column("Text", ratio=1, overflow="fold", min_width=12)
    if outputs.sentiment is not None:
        table.add_column("Sentiment", no_wrap=True)
        table.add_column("[-3, 3]", justify="right", no_wrap=True)
    if outputs.emotions is not None:
        table.add_column("Emotions [0, 3]", overflow="fold", min_width=15)
    for name, _ in _scales(outputs):
        table.add_column(name, no_wrap=True)
    for utterance, judgement in _rows(result):
        cells = [Text(span(utterance) + _mark(judgement)), Text(shown(utterance.text))]
        if outputs.sentiment is not None:
            label, strength = sentiment(judgement)
            cells += [Text(label, style=_style(label)), Text(strength)]
        if outputs.emotions is not None:
            cells.append(Text("\n".join(emotions(judgement)) or NOTHING))
        cells += [Text(label) for _, label in _levels(outputs, judgement)]
        table.add_row(*cells)


def _stack(table: Table, result: VideoResult) -> None:
    from rich.text import Text

    outputs = result.model.outputs
    sentiment_title = "" if outputs.sentiment is None else ", sentiment [-3, 3]"
    emotion_title = "" if outputs.emotions is None else ", emotions [0, 3]"
    levels_title = "".join(f", {name.lower()}" for name, _ in _scales(outputs))
    title = f"Time{sentiment_title}, text{emotion_title}{levels_title}"
    table.add_column(title, overflow="fold")
    for utterance, judgement in _rows(result):
        label, strength = sentiment(judgement)
        lines = Text(f"{span(utterance)}{_mark(judgement)}")
        if outputs.sentiment is not None:
            lines.append("  ")
            lines.append(label, style=_style(label))
            lines.append("" if strength == NOTHING else f" {strength}")
        lines.append(f"\n{shown(utterance.text)}")
        felt = ", ".join(emotions(judgement))
        lines.append(f"\n{felt}" if felt else "")
        for name, level in _levels(outputs, judgement):
            lines.append(f"\n{name.lower()}: {level}")
        table.add_row(lines)
        table.add_row("")


def _style(label: str) -> str:
    """Return the colour of a sentiment, also of a class as "weak positive"."""
    return _STYLES.get(label.rpartition(" ")[2], "")


def _levels(outputs: ModelOutputs, judgement: UtterancePrediction | None) -> list[tuple[str, str]]:
    """Return the class of each scale that the model predicts."""
    found: dict[str, ClassPrediction | None] = {}
    if judgement is not None:
        found = {"Arousal": judgement.arousal, "Valence": judgement.valence}
    levels = [(name, found.get(name)) for name, _ in _scales(outputs)]
    return [(name, NOTHING if level is None else level.label) for name, level in levels]


def _mark(judgement: UtterancePrediction | None) -> str:
    if judgement is None or judgement.evidence is None:
        return ""
    return "" if judgement.evidence.sufficient else DOUBTFUL


def _doubts(result: VideoResult) -> str:
    """Return what the mark means, where there is any."""
    n = sum(bool(_mark(judgement)) for judgement in result.prediction.utterances)
    return f"{n} marked{DOUBTFUL}: too little evidence to rely on." if n else ""


def _rows(result: VideoResult) -> Iterator[tuple[Utterance, UtterancePrediction | None]]:
    return zip(result.features.utterances, result.prediction.utterances, strict=True)


def span(utterance: Utterance) -> str:
    """Return when an utterance starts and ends."""
    return f"{clock(utterance.start_s)}-{clock(utterance.end_s)}"


def shown(text: str) -> str:
    """Return a text as a terminal can show it, cut where it would fill the screen."""
    text = printable(text[: 2 * _MAX_TEXT]) or NOTHING
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT].rstrip() + _CUT


def sentiment(judgement: UtterancePrediction | None) -> tuple[str, str]:
    """Return the label and the intensity, with its sign."""
    if judgement is None:
        return NOTHING, NOTHING
    strength = judgement.sentiment_intensity
    return (
        judgement.sentiment_label or NOTHING,
        NOTHING if strength is None else f"{_tenths(strength):+.1f}",
    )


def _tenths(value: float) -> float:
    # Adding zero turns -0.0 into 0.0.
    return round(value, 1) + 0.0


def emotions(judgement: UtterancePrediction | None) -> list[str]:
    """Return the emotions that are present, each with its intensity, strongest first."""
    if judgement is None:
        return []
    present = [(name, e) for name, e in judgement.emotions.items() if _is_shown(e)]
    present.sort(key=lambda item: (-(item[1].intensity or 0), -(item[1].probability or 0)))
    # The absence of emotion has no strength.
    return [
        name
        if name == "no-emotion" or e.intensity is None
        else f"{name} {_tenths(e.intensity):.1f}"
        for name, e in present
    ]


def _is_shown(emotion: EmotionPrediction) -> bool:
    if emotion.present is None:
        return (emotion.intensity or 0) >= _SHOWN_INTENSITY
    return emotion.present


def caption(features: VideoFeatures) -> str:
    """Return which of words, voice and face were missing, and in how many utterances."""
    n = len(features.utterances)
    if n == 0:
        return "No utterances: nobody speaks, as far as can be told."
    missing = [
        f"{_SENSES[modality]} in {n - int(features.blocks[modality].present.sum())}"
        for modality in MODALITIES
        if modality in features.blocks and not features.blocks[modality].present.all()
    ]
    utterances = "1 utterance" if n == 1 else f"{n} utterances"
    return f"Of {utterances}, without {', without '.join(missing)}." if missing else ""


def clock(time_s: float) -> str:
    """Return a time as ``m:ss.t``, or ``h:mm:ss.t`` from one hour on."""
    tenths = round(time_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
