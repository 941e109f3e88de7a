"""Utterances whose times are given: only their words may have to be looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from affect_pipe.pipeline.records import Transcript, Utterance
from affect_pipe.pipeline.segmentation import SegmentationSettings, trusted_words
from affect_pipe.pipeline.spacing import Spacing

NO_WORDS_WITHIN = "no words recognised during the utterance"


def fill_words(
    utterances: Sequence[Utterance], transcript: Transcript, settings: SegmentationSettings
) -> tuple[Utterance, ...]:
    """Give the utterances without text the words that were heard during them.

    A word belongs to the utterance that holds its middle. Of a recogniser that guesses, words are
    dropped and texts counted as absent as `segmentation.cut_utterances` does. A diarisation names
    the speakers of utterances that have none.
    """
    words = sorted(transcript.words, key=lambda word: word.start_s)
    spacing = Spacing(transcript.segments)
    filled = []
    for utterance in utterances:
        if utterance.speaker is None and transcript.diarisation is not None:
            speaker = transcript.diarisation.speaker_during(utterance.start_s, utterance.end_s)
            utterance = replace(utterance, speaker=speaker)
        if utterance.text:
            filled.append(utterance)
            continue
        heard = tuple(
            word
            for word in words
            if utterance.start_s <= (word.start_s + word.end_s) / 2 < utterance.end_s
        )
        kept, reason = trusted_words(heard, transcript.guesses, settings)
        if not heard:
            doubt = transcript.doubt_during(utterance.start_s, utterance.end_s)
            reason = doubt or NO_WORDS_WITHIN
        text = "" if reason else spacing.join(kept)
        filled.append(replace(utterance, text=text, words=kept, text_reason=reason))
    return tuple(filled)
