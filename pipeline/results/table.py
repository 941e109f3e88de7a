"""The table a run shows: one row an utterance, readable without colours, complete at any width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from affect_pipe.pipeline.records import (
    MODALITIES,
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
# Below this, rich would cut columns off: five columns at their narrowest, in a video of hours.
_SIDE_BY_SIDE = 72
# A screenful; the files keep every word.
_MAX_TEXT = 1000
_CUT = " [...]"


def to_table(result: VideoResult, width: int = _SIDE_BY_SIDE) -> Table:
    """Return a rich table of time, text, sentiment, its intensity, and emotions with theirs.

    Sentiment intensity is in [-3, 3], emotion intensity in [0, 3]. Emotions are those the model
    decided are present, strongest first. The caption says where words, voice or face were missing.

    Parameters
    ----------
    width : int
        Columns of the terminal. Where five columns do not fit, each utterance becomes a few lines.
    """
    # rich takes 50 ms to import, which nothing but a table should pay for.
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(printable(result.media.path.name)),
        caption=Text(caption(result.features)),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    fill = _columns if width >= _SIDE_BY_SIDE else _stack
    fill(table, result)
    return table


def _columns(table: Table, result: VideoResult) -> None:
    from rich.text import Text

    table.add_column("Time", no_wrap=True)
    table.add_column("Text", ratio=1, overflow="fold", min_width=12)
    table.add_column("Sentiment", no_wrap=True)
    table.add_column("[-3, 3]", justify="right", no_wrap=True)
    table.add_column("Emotions [0, 3]", overflow="fold", min_width=15)
    for utterance, judgement in _rows(result):
        label, strength = sentiment(judgement)
        table.add_row(
            span(utterance),
            Text(shown(utterance.text)),
            Text(label, style=_STYLES.get(label, "")),
            strength,
            Text("\n".join(emotions(judgement)) or NOTHING),
        )


def _stack(table: Table, result: VideoResult) -> None:
    from rich.text import Text

    table.add_column("Time, sentiment [-3, 3], text, emotions [0, 3]", overflow="fold")
    for utterance, judgement in _rows(result):
        label, strength = sentiment(judgement)
        lines = Text(f"{span(utterance)}  ")
        lines.append(label, style=_STYLES.get(label, ""))
        lines.append("" if judgement is None else f" {strength}")
        lines.append(f"\n{shown(utterance.text)}")
        felt = ", ".join(emotions(judgement))
        lines.append(f"\n{felt}" if felt else "")
        table.add_row(lines)
        table.add_row("")


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
    return judgement.sentiment_label, f"{_tenths(judgement.sentiment_intensity):+.1f}"


def _tenths(value: float) -> float:
    # Adding zero turns -0.0 into 0.0.
    return round(value, 1) + 0.0


def emotions(judgement: UtterancePrediction | None) -> list[str]:
    """Return the emotions that are present, each with its intensity, strongest first."""
    if judgement is None:
        return []
    present = [(name, e) for name, e in judgement.emotions.items() if e.present]
    present.sort(key=lambda item: (-item[1].intensity, -item[1].probability))
    # The absence of emotion has no strength.
    return [
        name if name == "no-emotion" else f"{name} {_tenths(e.intensity):.1f}"
        for name, e in present
    ]


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
