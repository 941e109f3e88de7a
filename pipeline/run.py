"""One video, top to bottom: utterances, their features, then fusion."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.pipeline import serialise
from affect_pipe.pipeline.describe import Described, Describer
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.fingerprint import digest_json
from affect_pipe.pipeline.interfaces import Predictor
from affect_pipe.pipeline.records import Prediction, Utterance, VideoResult
from affect_pipe.pipeline.segmentation import SegmentationSettings, cut_utterances
from affect_pipe.pipeline.source import CachedSource

NO_SPEECH = "no speech was found in this file, so there are no utterances to judge"
NO_AUDIO = (
    "this file has no audio and no words come from elsewhere, so there are no utterances to judge"
)


@dataclass(frozen=True)
class Run:
    """What a run is composed of. Every part is handed in; nothing here knows an implementation."""

    describer: Describer
    predictor: Predictor
    segmentation: SegmentationSettings

    def __call__(self, path: Path, listener: Listener = ignore) -> VideoResult:
        """Analyse one video.

        Raises
        ------
        AffectPipeError
            If the file cannot be read, or a stage cannot run. What was computed is in the cache.
        Elsewhere
            If a stage is wanted that is not computed here; all that can be without it was.
        """
        start = time.perf_counter()
        described = self.describer(path, self._cut, listener)
        prediction = self._predict(described)
        source = described.source
        return VideoResult(
            media=source.media,
            transcript=self.describer.recogniser.signed(source.transcript),
            features=described.features,
            prediction=prediction,
            model=self.predictor.info(),
            warnings=self._warnings(described),
            timings_s={**source.stages.timings_s, "total": time.perf_counter() - start},
        )

    def _cut(self, source: CachedSource) -> tuple[Utterance, ...]:
        return cut_utterances(source.transcript, source.voice_activity, self.segmentation)

    def _predict(self, described: Described) -> Prediction:
        """Judge the utterances; keyed on the checkpoint and on the numbers it is given."""
        features = described.features
        inputs = [
            (m, serialise.block_digest(block)) for m, block in sorted(features.blocks.items())
        ]
        return described.source.stages.cached(
            "fusion",
            digest_json(["fusion", self.predictor.info().digest, inputs]),
            lambda: self.predictor.predict(features),
            serialise.prediction_to_entry,
            serialise.prediction_from_entry,
            kind="fusion",
        )

    def _warnings(self, described: Described) -> tuple[str, ...]:
        source, features = described.source, described.features
        transcript = self.describer.recogniser.signed(source.transcript)
        found = [*transcript.warnings, *self.predictor.warnings(features)]
        if not features.utterances:
            found.append(NO_AUDIO if source.media.audio is None else NO_SPEECH)
        found += described.problems
        found += [w for w in sorted(source.stages.warnings) if w not in found]
        return tuple(found)
