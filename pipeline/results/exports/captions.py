"""Captions that carry the predicted emotions: WebVTT and SubRip.

Players show both as ``[happy 2.1, positive +1.3] text``; WebVTT has the classes as spans, for style
sheets, and the speaker as its voice. What is in brackets is a description of a sound to a reader
of subtitles, so a transcript read from these files has the words alone.
"""

from __future__ import annotations

import re
from datetime import timedelta

from affect_pipe.pipeline.results.exports.tags import shown_emotions, tag_of
from affect_pipe.pipeline.results.result_file import Result
from affect_pipe.pipeline.results.result_parts import UtterancePart
from affect_pipe.pipeline.results.webvtt import JOINER, cue, escaped, one_line, span, webvtt_file

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
# What readers of subtitles take for a name at most.
_LONGEST_NAME = 40


def vtt_bytes(result: Result) -> bytes:
    """Return WebVTT (W3C 2019): a cue an utterance, with voice and class spans and a style."""
    rules = "".join(f"\n::cue(.{name}) {{ color: {colour} }}" for name, colour in _COLOURS.items())
    shown = ((utterance, _vtt_payload(utterance)) for utterance in result.utterances)
    cues = [cue(u.start_s, u.end_s, [text], str(u.index)) for u, text in shown if text]
    return webvtt_file(["STYLE" + rules, *cues])


def _vtt_payload(utterance: UtterancePart) -> str:
    tag = tag_of(utterance)
    shown = escaped(" ".join(part for part in (f"[{tag}]" if tag else "", utterance.text) if part))
    if not shown:
        return ""
    label = utterance.sentiment.label if utterance.sentiment is not None else None
    names = [label] if label else []
    names += [name for name, _ in shown_emotions(utterance)]
    classes = "".join(f".{_class_name(name)}" for name in dict.fromkeys(names))
    if classes:
        shown = f"<c{classes}>{shown}</c>"
    if utterance.speaker:
        shown = f"<v {escaped(utterance.speaker)}>{shown}</v>"
    return shown


def _class_name(name: str) -> str:
    """Return a name as a class of a style sheet: letters, digits, hyphens."""
    return re.sub(r"[^\w-]+", "-", name)


def srt_bytes(result: Result) -> bytes:
    """Return SubRip subtitles: a subtitle an utterance, ``[Speaker]: [tag] text``."""
    import srt

    subtitles: list[srt.Subtitle] = []
    for utterance in result.utterances:
        tag, text = tag_of(utterance), _undisturbed(one_line(utterance.text))
        parts = (_srt_speaker(utterance.speaker), f"[{tag}]" if tag else "", text)
        content = " ".join(part for part in parts if part)
        start, end = (
            timedelta(seconds=seconds) for seconds in span(utterance.start_s, utterance.end_s)
        )
        if tag or text:
            subtitles.append(srt.Subtitle(len(subtitles) + 1, start, end, content))
    composed: str = srt.compose(subtitles, reindex=False)
    return composed.encode("utf-8", "replace")


def _srt_speaker(speaker: str | None) -> str:
    """Return ``[Name]:``, in which any name is read back as a speaker; "" for nobody."""
    name = " ".join(re.sub(r"[\[\]:<>]+", " ", one_line(speaker or "")).split())[:_LONGEST_NAME]
    if len(name) == 1:
        name = f"Speaker {name}"
    return f"[{name}]:" if name else ""


def _undisturbed(text: str) -> str:
    """Part what a reader of subtitles, which know no escapes, would take for something else."""
    text = text.replace("-->", f"--{JOINER}>").replace("{\\", f"{{{JOINER}\\")
    text = re.sub(r"<(?=[/a-zA-Z\d])", f"<{JOINER}", text)
    return re.sub(r"&(?=[#\w]+;)", f"&{JOINER}", text)
