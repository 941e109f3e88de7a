"""Captions that carry the predicted emotions: WebVTT and SubRip.

Players show both as ``[happy 2.1, positive +1.3] text``; WebVTT has the classes as spans, for style
sheets, and the speaker as its voice. What is in brackets is a description of a sound to a reader
of subtitles, so a transcript read from these files has the words alone.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta

from affect_pipe.pipeline.results.exports.result import Judged, Result
from affect_pipe.pipeline.results.exports.tags import shown_emotions, tag_of

# Readable on the dark background that players put behind captions.
_COLOURS = {
    "negative": "#ff9e9e",
    "positive": "#a6e3a1",
    "anger": "#ff7b72",
    "disgust": "#c8a2ff",
    "fear": "#9ecbff",
    "happy": "#ffe08a",
    "sad": "#8fb8ff",
    "surprise": "#ffb86b",
}
# Shown as nothing; it parts what would be read as markup or as the arrow between two times.
_JOINER = "\N{WORD JOINER}"
_SHORTEST_S = 0.001
# What readers of subtitles take for a name at most.
_LONGEST_NAME = 40


def vtt_bytes(result: Result) -> bytes:
    """Return WebVTT (W3C 2019): a cue an utterance, with voice and class spans and a style."""
    rules = (f"::cue(.{name}) {{ color: {colour} }}\n" for name, colour in _COLOURS.items())
    blocks = ["WEBVTT\n", "STYLE\n" + "".join(rules)]
    for utterance in result.utterances:
        payload = _vtt_payload(utterance)
        if payload:
            start, end = map(_clock, _span(utterance))
            blocks.append(f"{utterance.index}\n{start} --> {end}\n{payload}\n")
    return "\n".join(blocks).encode("utf-8", "replace")


def _clock(time_s: float) -> str:
    minutes, milliseconds = divmod(round(time_s * 1000), 60_000)
    return (
        f"{minutes // 60:02d}:{minutes % 60:02d}:"
        f"{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
    )


def _vtt_payload(utterance: Judged) -> str:
    tag, text = tag_of(utterance), _one_line(utterance.text)
    shown = " ".join(part for part in (f"[{tag}]" if tag else "", text) if part)
    if not shown:
        return ""
    # WebVTT has escapes for its own markup, but not for what older readers of subtitles strip.
    shown = html.escape(shown.replace("{\\", f"{{{_JOINER}\\"), quote=False)
    label = utterance.sentiment.label if utterance.sentiment is not None else None
    names = [label] if label else []
    names += [name for name, _ in shown_emotions(utterance)]
    classes = "".join(f".{_class_name(name)}" for name in dict.fromkeys(names))
    if classes:
        shown = f"<c{classes}>{shown}</c>"
    if utterance.speaker:
        shown = f"<v {html.escape(_one_line(utterance.speaker), quote=False)}>{shown}</v>"
    return shown


def _class_name(name: str) -> str:
    """Return a name as a class of a style sheet: letters, digits, hyphens."""
    return re.sub(r"[^\w-]+", "-", name)


def srt_bytes(result: Result) -> bytes:
    """Return SubRip subtitles: a subtitle an utterance, ``[Speaker]: [tag] text``."""
    import srt

    subtitles: list[srt.Subtitle] = []
    for utterance in result.utterances:
        tag, text = tag_of(utterance), _undisturbed(_one_line(utterance.text))
        parts = (_srt_speaker(utterance.speaker), f"[{tag}]" if tag else "", text)
        content = " ".join(part for part in parts if part)
        start, end = (timedelta(seconds=seconds) for seconds in _span(utterance))
        if tag or text:
            subtitles.append(srt.Subtitle(len(subtitles) + 1, start, end, content))
    composed: str = srt.compose(subtitles, reindex=False)
    return composed.encode("utf-8", "replace")


def _srt_speaker(speaker: str | None) -> str:
    """Return ``[Name]:``, in which any name is read back as a speaker; "" for nobody."""
    name = " ".join(re.sub(r"[\[\]:<>]+", " ", _one_line(speaker or "")).split())[:_LONGEST_NAME]
    if len(name) == 1:
        name = f"Speaker {name}"
    return f"[{name}]:" if name else ""


def _span(utterance: Judged) -> tuple[float, float]:
    """Start and end in whole milliseconds; nothing is shown for no time at all."""
    start_s, end_s = round(utterance.start_s, 3), round(utterance.end_s, 3)
    return start_s, max(end_s, round(start_s + _SHORTEST_S, 3))


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())


def _undisturbed(text: str) -> str:
    """Part what a reader of subtitles, which know no escapes, would take for something else."""
    text = text.replace("-->", f"--{_JOINER}>").replace("{\\", f"{{{_JOINER}\\")
    text = re.sub(r"<(?=[/a-zA-Z\d])", f"<{_JOINER}", text)
    return re.sub(r"&(?=[#\w]+;)", f"&{_JOINER}", text)
