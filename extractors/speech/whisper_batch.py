"""Many stretches of speech through openai-whisper at once, as a GPU wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from affect_pipe.extractors.speech.guards import MAX_COMPRESSION_RATIO, MIN_LOG_PROBABILITY
from affect_pipe.extractors.speech.whisper_segments import Task
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import Audio, Interval
from affect_pipe.pipeline.timebase import slice_audio

_FEATURE = "speech recognition with Whisper"


def decode_batch(
    model: Any, audio: Audio, regions: Sequence[Interval], language: str | None, task: Task
) -> tuple[list[list[dict[str, Any]] | None], str]:
    """Hear stretches of speech in one pass of the network, at temperature 0.

    Parameters
    ----------
    model : whisper.model.Whisper
    audio : Audio
    regions : sequence of Interval
        Each at most 30 s.
    language : str or None
        Code; by the first region when None.
    task : {"transcribe", "translate"}

    Returns
    -------
    segments : list of (list of dict or None)
        Of each region, in the form of ``model.transcribe`` and on a clock from its start; None
        where Whisper would try again with sampling.
    language : str
    """
    whisper = require("whisper", feature=_FEATURE)
    torch = require("torch", feature=_FEATURE)
    timing = require("whisper.timing", feature=_FEATURE)
    tokenizers = require("whisper.tokenizer", feature=_FEATURE)
    on_gpu = model.device.type == "cuda"
    hop, window = whisper.audio.HOP_LENGTH, whisper.audio.N_SAMPLES
    # Copies: the decoded audio may be a read-only map of a file.
    cut = [np.array(slice_audio(audio, r.start_s, r.end_s), dtype=np.float32) for r in regions]
    padded = np.stack(
        [np.pad(samples[:window], (0, max(0, window - len(samples)))) for samples in cut]
    )
    mel = whisper.log_mel_spectrogram(torch.from_numpy(padded), model.dims.n_mels).to(model.device)
    mel = mel.to(torch.float16 if on_gpu else torch.float32)
    if not model.is_multilingual:
        language = "en"
    elif language is None:
        _, (odds, *_) = model.detect_language(mel[:1])
        language = str(max(odds, key=odds.get))
    options = whisper.DecodingOptions(task=task, language=language, fp16=on_gpu)
    tokenizer = tokenizers.get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language=language, task=task
    )
    found: list[list[dict[str, Any]] | None] = []
    for i, heard in enumerate(whisper.decode(model, mel, options)):
        looping = heard.compression_ratio > MAX_COMPRESSION_RATIO
        if looping or heard.avg_logprob < MIN_LOG_PROBABILITY:
            found.append(None)
            continue
        segment = {
            "seek": 0,
            "start": 0.0,
            "end": regions[i].duration_s,
            "text": heard.text,
            "tokens": heard.tokens,
            "avg_logprob": heard.avg_logprob,
            "no_speech_prob": heard.no_speech_prob,
            "compression_ratio": heard.compression_ratio,
        }
        timing.add_word_timestamps(
            segments=[segment],
            model=model,
            tokenizer=tokenizer,
            mel=mel[i],
            num_frames=len(cut[i]) // hop,
            last_speech_timestamp=0.0,
        )
        found.append([segment])
    return found, language
