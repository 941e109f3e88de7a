"""The table a run shows: one row an utterance, readable at 80 columns and without colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affect_pipe.pipeline.records import (
    MODALITIES,
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


def to_table(result: VideoResult) -> Table:
    """Return a rich table of time, text, sentiment, its intensity, and emotions with theirs.

    Sentiment intensity is in [-3, 3], emotion intensity in [0, 3]. Emotions are those the model
    decided are present, strongest first. The caption says where words, voice or face were missing.
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
    table.add_column("Time", no_wrap=True)
    table.add_column("Text", ratio=1, overflow="fold", min_width=12)
    table.add_column("Sentiment", no_wrap=True)
    table.add_column("[-3, 3]", justify="right", no_wrap=True)
    table.add_column("Emotions [0, 3]", overflow="fold", min_width=15)
    for utterance, judgement in zip(
        result.features.utterances, result.prediction.utterances, strict=True
    ):
        label = NOTHING if judgement is None else judgement.sentiment_label
        table.add_row(
            f"{clock(utterance.start_s)}-{clock(utterance.end_s)}",
            Text(printable(utterance.text) or NOTHING),
            Text(label, style=_STYLES.get(label, "")),
            NOTHING if judgement is None else f"{judgement.sentiment_intensity:+.1f}",
            Text("\n".join(emotions(judgement)) or NOTHING),
        )
    return table


def emotions(judgement: UtterancePrediction | None) -> list[str]:
    """Return the emotions that are present, each with its intensity, strongest first."""
    if judgement is None:
        return []
    present = [(name, e) for name, e in judgement.emotions.items() if e.present]
    present.sort(key=lambda item: (-item[1].intensity, -item[1].probability))
    # The absence of emotion has no strength.
    return [name if name == "no-emotion" else f"{name} {e.intensity:.1f}" for name, e in present]


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
    return f"Of {n} utterances, without {', without '.join(missing)}." if missing else ""


def clock(time_s: float) -> str:
    """Return a time as ``m:ss.t``, or ``h:mm:ss.t`` from one hour on."""
    tenths = round(time_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
