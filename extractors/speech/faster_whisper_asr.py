"""Words by faster-whisper: Whisper in CTranslate2, many stretches of speech at once.

Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from affect_pipe.extractors.speech.faster_whisper_weights import find_weights, named
from affect_pipe.extractors.speech.guards import doubts_told
from affect_pipe.extractors.speech.regions import speech_regions
from affect_pipe.extractors.speech.whisper_segments import (
    Task,
    judged,
    language_code,
    written_in,
)
from affect_pipe.extractors.speech.whisper_weights import DEFAULT_SIZE
from affect_pipe.pipeline.errors import MissingDependencyError, StageError, UsageError
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.mapped import letting_go
from affect_pipe.pipeline.optional import backend_version, require
from affect_pipe.pipeline.records import Audio, Interval, Segment, StageSpec, Transcript
from affect_pipe.pipeline.timebase import slice_audio

VERSION = "1"
_FEATURE = "speech recognition with faster-whisper"
# Whisper hears 30 s at once. Pauses within a sentence are bridged: it uses what was said before.
_WINDOW_S = 29.0
_BRIDGE_S = 1.0
_PAD_S = 0.2
# Stretches decoded at once: more fill a GPU, on a CPU they only cost memory.
_BATCH = {"cuda": 16, "cpu": 4}
# Silence between them is held in memory too.
_SPAN_S = 600.0


class FasterWhisper:
    """Speech recognition by faster-whisper.

    Parameters
    ----------
    model : str
        A size, a name on the Hugging Face hub or in the store of weights, or a folder of
        CTranslate2 weights.
    language : str, optional
        Code ("de") or English name ("german"); detected when None.
    task : {"transcribe", "translate"}
        Write what is said, or its English translation.
    device : {"cpu", "cuda"}, optional
        Where to compute; a GPU when there is one.
    allow_download : bool
        Whether missing weights may be fetched.

    Raises
    ------
    UsageError
        If the model is neither a size, a hub name nor a folder of weights.
    MissingDependencyError
        If faster-whisper is not installed.
    """

    def __init__(
        self,
        model: str = DEFAULT_SIZE,
        *,
        language: str | None = None,
        task: Task = "transcribe",
        device: str | None = None,
        allow_download: bool = True,
    ) -> None:
        self._weights = named(model)
        self._model_name = model
        self._language = language
        self._task = task
        self._device = device
        self._allow_download = allow_download
        try:
            self._backend = ", ".join(map(backend_version, ("faster-whisper", "ctranslate2")))
        except MissingDependencyError as error:
            raise MissingDependencyError(
                f"{_FEATURE} needs the package faster-whisper, which is not installed: "
                'pip install "affect-pipe[faster-whisper]", or use --asr whisper.'
            ) from error

    def spec(self) -> StageSpec:
        """Name the model; what the hub has is told by name, other folders by their digest."""
        return StageSpec(
            stage="speech",
            extractor="faster-whisper",
            version=VERSION,
            backend=self._backend,
            settings={"language": self._language, "task": self._task},
            model_id=self._weights.name if self._weights else "faster-whisper-folder",
            weights_digest="" if self._weights and self._weights.hub else self._folder_digest,
        )

    @cached_property
    def _folder_digest(self) -> str:
        folder = find_weights(self._model_name)
        digest = hashlib.blake2b(digest_size=16)
        for name in ("config.json", "tokenizer.json", "model.bin"):
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
        return digest.hexdigest()

    def transcribe(self, source: Source) -> Transcript:
        """Return the words of a video, with their times and probabilities.

        Raises
        ------
        MissingWeightsError
            If the weights are neither here nor within reach.
        UsageError
            If the language is unknown to Whisper, or a folder holds no readable weights.
        """
        name = Path(self._model_name).name
        audio = source.audio
        if audio is None or not source.voice_activity:
            return Transcript((), "faster-whisper", name)
        language = language_code(self._language)
        weights = find_weights(self._model_name, allow_download=self._allow_download)
        model = load_model(weights, self._device or _best_device())
        regions = speech_regions(
            source.voice_activity, audio, bridge_s=_BRIDGE_S, pad_s=_PAD_S, max_s=_WINDOW_S
        )
        segments: list[Segment] = []
        batches = _batches(regions, _BATCH[model.model.device])
        for batch in letting_go(audio.samples, batches):
            found, language = _decode(model, audio, batch, language, self._task)
            segments += judged(found, batch[0].start_s, source.voice_activity)
        return Transcript(
            segments=tuple(segments),
            source="faster-whisper",
            model=name,
            language=written_in(language, self._task),
            word_times="measured",
            warnings=tuple(doubts_told(segments)),
        )

    def signed(self, transcript: Transcript) -> Transcript:
        """Name the model as this run does: one folder may lie under several names."""
        return replace(transcript, model=Path(self._model_name).name)


# Videos of one run are recognised one after another with the same model.
@lru_cache(maxsize=1)
def load_model(folder: Path, device: str) -> Any:
    """Load a folder of CTranslate2 weights (numbers alone, no code).

    Raises
    ------
    UsageError
        If the folder holds no readable Whisper weights.
    """
    package = require("faster_whisper", feature=_FEATURE, extra="faster-whisper")
    _check_alignment_heads(folder)
    try:
        # 8-bit integers halve the time on a CPU; a GPU computes in 16-bit floats as it is trained.
        precision = "float16" if device == "cuda" else "int8"
        return package.WhisperModel(str(folder), device=device, compute_type=precision)
    except Exception as error:
        # CTranslate2 and the tokenizer raise plain RuntimeError, ValueError and Exception.
        raise UsageError(
            f"{folder} holds no readable faster-whisper weights ({str(error)[:200]}): download or "
            "convert them again."
        ) from error


def _check_alignment_heads(folder: Path) -> None:
    """Refuse weights whose words would get no times: CTranslate2 may crash when asked for them."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        heads = config.get("alignment_heads") if isinstance(config, dict) else None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{folder} holds no readable faster-whisper weights (config.json: {error}): download "
            "or convert them again."
        ) from error
    pairs = heads if isinstance(heads, list) else []
    if not pairs or not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(n) is int and n >= 0 for n in pair)
        for pair in pairs
    ):
        raise UsageError(
            f"{folder} names no alignment heads, from which words get their times "
            "(alignment_heads in config.json): convert the weights again."
        )


def _best_device() -> str:
    ctranslate2 = require("ctranslate2", feature=_FEATURE, extra="faster-whisper")
    return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"


def _batches(regions: Iterator[Interval], size: int) -> Iterator[list[Interval]]:
    batch: list[Interval] = []
    for region in regions:
        if len(batch) == size or (batch and region.end_s - batch[0].start_s > _SPAN_S):
            yield batch
            batch = []
        batch.append(region)
    if batch:
        yield batch


def _decode(
    model: Any, audio: Audio, batch: Sequence[Interval], language: str | None, task: Task
) -> tuple[list[dict[str, Any]], str]:
    """Return segments as openai-whisper writes them, on a clock from the first region's start."""
    package = require("faster_whisper", feature=_FEATURE, extra="faster-whisper")
    start_s = batch[0].start_s
    # A copy: the decoded audio may be a read-only map of a file.
    samples = np.array(slice_audio(audio, start_s, batch[-1].end_s), dtype=np.float32)
    clips = [{"start": r.start_s - start_s, "end": r.end_s - start_s} for r in batch]
    try:
        found, info = package.BatchedInferencePipeline(model).transcribe(
            samples,
            language=language,
            task=task,
            word_timestamps=True,
            batch_size=len(batch),
            # Beams alone, no sampling: the same words every time.
            temperature=0.0,
            clip_timestamps=clips,
        )
        return [_as_dict(segment) for segment in found], str(info.language)
    except IndexError as error:
        # Converters may lose the list; the package then takes the first language of none.
        if language is not None:
            raise
        raise UsageError(
            "the language cannot be detected, because the config.json of these faster-whisper "
            "weights names none (lang_ids): give --language."
        ) from error
    except RuntimeError as error:
        # CTranslate2's only kind: no memory left, a GPU library missing, weights that do not fit.
        raise StageError(
            f"faster-whisper failed ({str(error)[:200]}): choose a smaller model, another copy of "
            "the weights, or --asr whisper."
        ) from error


def _as_dict(segment: Any) -> dict[str, Any]:
    words = [
        {
            "word": word.word,
            "start": float(word.start),
            "end": float(word.end),
            "probability": float(word.probability),
        }
        for word in segment.words or ()
    ]
    return {
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "words": words,
        "avg_logprob": segment.avg_logprob,
        "no_speech_prob": segment.no_speech_prob,
        "compression_ratio": segment.compression_ratio,
    }
