"""The `vggface` feature: what a face-recognition network sees of the speaking face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from affect_pipe.extractors.networks import batches
from affect_pipe.extractors.visual.crops import Crop, Describe, FaceCrops, model_rows
from affect_pipe.extractors.visual.speaking import speaking_faces
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import FrameStage, Source
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, StageSpec, Utterance

DIM = 512
WEIGHTS = "vggface"
# Of the faces VGG-Face was trained on: mean red, green and blue of 0 to 255, taken off.
MEAN = (129.1863, 104.7624, 93.5940)
# Mouths move too fast for one picture every 250 ms: faces are followed twice as often.
FOLLOWED = 2
NO_PICTURE = "the speaking face is in none of the frames that were looked at closely"


class VGGFace:
    """Mean activations of VGG-Face (Parkhi et al. 2015), 512 columns.

    The last convolutional maps of VGG-16, trained to tell 2622 people apart, averaged over the
    picture: what the MuSe challenge calls VGGFace. The challenge finds faces with MTCNN; here they
    are MediaPipe's, followed and turned upright, and only the speaking one is described.

    Parameters
    ----------
    rate_hz : float
        Pictures looked at per second; 4, one every 250 ms, in the challenge.
    max_faces : int
        Most faces followed at a time.
    min_coverage : float
        An utterance has a face when one is seen in at least this share of its frames.

    Raises
    ------
    UsageError
        If a setting does not fit.
    """

    name = "vggface"
    version = "1"

    def __init__(
        self, rate_hz: float = 4.0, max_faces: int = 10, min_coverage: float = 0.2
    ) -> None:
        if not (0.0 < rate_hz <= 60.0 and max_faces >= 1 and 0.0 <= min_coverage <= 1.0):
            raise UsageError(
                "vggface: expected rate_hz above 0 and up to 60, max_faces of 1 or more and "
                f"min_coverage in [0, 1], got {rate_hz}, {max_faces} and {min_coverage}."
            )
        self._rate_hz = float(rate_hz)
        self._max_faces = int(max_faces)
        self._min_coverage = float(min_coverage)

    @cached_property
    def _spec(self) -> FeatureSpec:
        return FeatureSpec(
            name=self.name,
            modality="visual",
            dim=DIM,
            columns=tuple(f"vggface_{k:03d}" for k in range(DIM)),
            version=self.version,
            settings={
                "rate_hz": self._rate_hz,
                "max_faces": self._max_faces,
                "min_coverage": self._min_coverage,
            },
            model_id=WEIGHTS,
            weights_digest=WeightsStore().digest(wanted(WEIGHTS)),
            backend=backend_version("torch"),
        )

    def spec(self) -> FeatureSpec:
        """Return the contract of the vectors; loads no model.

        Raises
        ------
        MissingWeightsError
            If the weights are neither here nor within reach.
        """
        return self._spec

    def weights(self) -> tuple[Weights, ...]:
        """Return what it loads."""
        return (wanted(WEIGHTS),)

    def frame_stage(self) -> FrameStage:
        """Return the pass over the frames that follows faces and looks at their pictures."""
        model = FacePictures(self._spec.weights_digest)
        return FaceCrops(model, FOLLOWED * self._rate_hz, FOLLOWED, self._max_faces)

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the speaking face of each utterance by the mean over its pictures."""
        arrays = source.frames(self.frame_stage()) if utterances else {}
        faces = speaking_faces(
            source,
            arrays,
            utterances,
            rate_hz=FOLLOWED * self._rate_hz,
            min_coverage=self._min_coverage,
        )
        values = np.zeros((len(utterances), DIM), np.float32)
        reasons = list(faces.reasons)
        for row, seen in enumerate(faces.seen):
            pictures = model_rows(arrays, seen.rows) if seen.reason is None else ()
            if len(pictures):
                values[row] = arrays["vggface"][pictures].mean(axis=0, dtype=np.float64)
            elif reasons[row] is None:
                reasons[row] = NO_PICTURE
        present = np.array([reason is None for reason in reasons], np.bool_)
        return FeatureBlock(self._spec, values, present, tuple(reasons), faces.quality)

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return a row a picture of every face, with its ``track``."""
        arrays = source.frames(self.frame_stage())
        rows = arrays["model_row"] if arrays else np.zeros(0, np.int64)
        return FrameTable(
            spec=self._spec,
            columns=self._spec.columns,
            units=("",) * DIM,
            time_s=np.asarray(arrays["time_s"][rows] if arrays else rows, np.float64),
            values=np.asarray(
                arrays["vggface"] if arrays else np.zeros((0, DIM), np.float32), np.float32
            ),
            labels={"track": tuple(int(t) for t in arrays["track"][rows]) if arrays else ()},
        )


@dataclass(frozen=True)
class FacePictures:
    """The network as a model of pictures of faces; see `crops.CropModel`."""

    weights_digest: str

    @property
    def crop(self) -> Crop:
        """Return the pictures VGG-16 takes."""
        return Crop(side_px=224)

    def spec(self) -> StageSpec:
        """Return what decides its output besides the faces."""
        return StageSpec(
            stage="vggface-faces",
            extractor=VGGFace.name,
            version=VGGFace.version,
            model_id=WEIGHTS,
            weights_digest=self.weights_digest,
            backend=backend_version("torch"),
        )

    def load(self) -> Describe:
        """Load the network."""
        from affect_pipe.extractors.networks.vgg import face_descriptor

        network = face_descriptor(WeightsStore().file(wanted(WEIGHTS))).to(batches.device())
        mean = np.array(MEAN, np.float32)

        def describe(pictures: Any) -> dict[str, Any]:
            inputs = (pictures.astype(np.float32) - mean).transpose(0, 3, 1, 2)
            shown = [inputs] if len(inputs) else []
            return {"vggface": batches.run(network, shown, DIM)}

        return describe
