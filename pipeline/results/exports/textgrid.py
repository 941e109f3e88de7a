"""Praat TextGrids: interval tiers that tile the whole duration, as Praat wants them.

The tiers are those of ELAN; Praat knows no tiers under others, so each has all its times.
"""

from __future__ import annotations

from pathlib import Path

from affect_pipe.pipeline.results.exports.tiers import TEXT, Kind, Lane, kinds, lanes, one_line
from affect_pipe.pipeline.results.result_file import Result

# Praat refuses a TextGrid that lasts no time.
_SHORTEST_MS = 1


def write_textgrid(result: Result, path: Path) -> None:
    """Write the TextGrid ``path``, in the long text format and UTF-8."""
    from praatio.data_classes.interval_tier import IntervalTier
    from praatio.data_classes.textgrid import Textgrid

    found = lanes(result)
    ends = [stretch.end_ms for lane in found for stretch in lane.stretches]
    # Whole milliseconds: the last utterance may end with the media, or a rounding after it.
    end_s = max(round(result.duration_s * 1000), _SHORTEST_MS, *ends, 0) / 1000
    grid = Textgrid(0.0, end_s)
    text = Kind(TEXT, lambda utterance: utterance.text)
    for lane in found:
        for kind in (text, *kinds(result)):
            tier = IntervalTier(lane.tier(kind.name), _entries(lane, kind), 0.0, end_s)
            grid.addTier(tier)
    # No interval is taken for a slip of rounding: none is shorter than a millisecond.
    grid.save(
        str(path), format="long_textgrid", includeBlankSpaces=True, minimumIntervalLength=0.0001
    )


def _entries(lane: Lane, kind: Kind) -> list[tuple[float, float, str]]:
    return [
        (
            stretch.start_ms / 1000,
            stretch.end_ms / 1000,
            one_line(kind.value(stretch.utterance) or ""),
        )
        for stretch in lane.stretches
    ]
