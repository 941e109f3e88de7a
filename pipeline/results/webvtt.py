"""Cues of WebVTT (W3C, 2019): times, markup and line ends as the format wants them."""

from __future__ import annotations

import html
from collections.abc import Sequence

# Shown as nothing; it parts what older readers of subtitles take for markup of their own.
JOINER = "\N{WORD JOINER}"
_SHORTEST_S = 0.001


def span(start_s: float, end_s: float) -> tuple[float, float]:
    """Start and end in whole milliseconds; nothing is shown for no time at all."""
    start_s, end_s = round(start_s, 3), round(end_s, 3)
    return start_s, max(end_s, round(start_s + _SHORTEST_S, 3))


def cue(start_s: float, end_s: float, lines: Sequence[str], identifier: str = "") -> str:
    """Return one cue.

    Parameters
    ----------
    start_s, end_s : float
        In seconds.
    lines : sequence of str
        Cue text, in which what was said went through `escaped`. None is empty.
    identifier : str
        On one line, without an arrow.
    """
    start, end = map(_clock, span(start_s, end_s))
    return "\n".join([*([identifier] if identifier else []), f"{start} --> {end}", *lines])


def webvtt_file(blocks: Sequence[str]) -> bytes:
    """Return a file of cues, and what goes before them."""
    return ("\n\n".join(["WEBVTT", *blocks]) + "\n").encode("utf-8", "replace")


def escaped(text: str) -> str:
    """Return text as one line that no reader takes for markup, or for the end of a cue."""
    # WebVTT has escapes for its own markup, but not for what older readers of subtitles strip.
    return html.escape(one_line(text).replace("{\\", f"{{{JOINER}\\"), quote=False)


def one_line(text: str) -> str:
    """Return text on one line: a blank line would end the cue."""
    return " ".join(text.replace("\0", " ").split())


def _clock(time_s: float) -> str:
    minutes, milliseconds = divmod(round(time_s * 1000), 60_000)
    return (
        f"{minutes // 60:02d}:{minutes % 60:02d}:"
        f"{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
    )
