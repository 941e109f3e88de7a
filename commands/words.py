"""Options of the verbs that find words in a video and cut them into utterances."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_word_options(parser: argparse._ActionsContainer) -> None:
    """Add where words come from and how they are cut."""
    parser.add_argument(
        "--asr",
        metavar="NAME",
        help="source of the words: auto, transcript, whisper[:size or .pt file], "
        "faster-whisper[:size or folder], moonshine, pocketsphinx",
    )
    parser.add_argument(
        "--asr-task",
        choices=("transcribe", "translate"),
        help="what Whisper writes: what is said, or its English translation (transcribe)",
    )
    parser.add_argument(
        "--transcript",
        type=Path,
        metavar="FILE",
        help="transcript of the video: SRT, WebVTT, Whisper or WhisperX JSON, ELAN, "
        "TextGrid, plain text",
    )
    parser.add_argument(
        "--diarisation",
        type=Path,
        metavar="FILE",
        help="who speaks when: an RTTM file; default: one beside the video",
    )
    parser.add_argument("--language", metavar="CODE", help="language spoken; default: detected")
    parser.add_argument(
        "--max-pause", type=float, metavar="S", help="a longer pause ends an utterance"
    )
    parser.add_argument("--max-duration", type=float, metavar="S", help="longest utterance")
    parser.add_argument(
        "--keep-segments",
        action="store_true",
        default=None,
        help="keep a transcript's own segments as utterances",
    )


def word_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was given of them as fields of `RunSettings`."""
    segmentation = {
        "max_pause_s": arguments.max_pause,
        "max_duration_s": arguments.max_duration,
        "keep_segments": arguments.keep_segments,
    }
    names = ("asr", "asr_task", "transcript", "diarisation", "language")
    flags = {name: getattr(arguments, name) for name in names}
    flags["segmentation"] = {k: v for k, v in segmentation.items() if v is not None}
    return flags
