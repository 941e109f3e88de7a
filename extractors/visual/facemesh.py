"""The `facemesh` feature: what the speaker's face does during each utterance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.face_table import face_table
from affect_pipe.extractors.visual.follow import FaceTracks
from affect_pipe.extractors.visual.functionals import (
    BLINK_COLUMN,
    FUNCTIONALS,
    RATE,
    feature_columns,
    utterance_vector,
)
from affect_pipe.extractors.visual.measures import GROUPS, POSE_NAMES, columns_of, group_columns
from affect_pipe.extractors.visual.shape import load_shape_basis, shape_basis_digest
from affect_pipe.extractors.visual.speaking import SpeakingFaces, speaking_faces
from affect_pipe.extractors.visual.stills import still_measures
from affect_pipe.extractors.visual.visible import Rows
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays, FrameStage, Source
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray, Utterance

# Photographs a worker process takes at a time.
CHUNK = 512


class FaceMesh:
    """Facial behaviour from MediaPipe's 478 landmarks.

    Per frame: 20 action-unit estimates (`action_units`), head pose in degrees, the opening of both
    eyes, and coefficients of a learned shape basis. Per utterance: functionals of these over the
    frames that show the speaking face.

    Parameters
    ----------
    groups : subset of {"au", "pose", "blink", "shape"}
    functionals : subset of {"mean", "std", "max", "rate"}
        ``rate`` is the blink rate, one column of the group ``blink``. A photograph has only
        ``mean``.
    rate_hz : float
        Frames looked at per second of video.
    max_faces : int
        Most faces followed at a time.
    min_coverage : float
        An utterance is described when a face is seen in at least this share of its frames.
    min_frames : int
        And in at least this many frames.
    """

    name = "facemesh"
    version = "1"

    def __init__(
        self,
        groups: Sequence[str] = GROUPS,
        functionals: Sequence[str] = FUNCTIONALS,
        rate_hz: float = 10.0,
        max_faces: int = 10,
        min_coverage: float = 0.2,
        min_frames: int = 2,
    ) -> None:
        self._groups = _chosen("groups", groups, GROUPS)
        self._functionals = _chosen("functionals", functionals, FUNCTIONALS)
        if self._functionals == (RATE,) and "blink" not in self._groups:
            raise UsageError("facemesh: the functional 'rate' alone needs the group 'blink'.")
        if not (0.0 < rate_hz <= 240.0 and max_faces >= 1 and min_frames >= 1):
            raise UsageError(
                f"facemesh: expected 0 < rate_hz <= 240, max_faces >= 1 and min_frames >= 1, "
                f"got {rate_hz}, {max_faces} and {min_frames}."
            )
        if not 0.0 <= min_coverage <= 1.0:
            raise UsageError(f"facemesh: min_coverage must be in [0, 1], got {min_coverage}.")
        self._rate_hz = float(rate_hz)
        self._max_faces = int(max_faces)
        self._min_coverage = float(min_coverage)
        self._min_frames = int(min_frames)

    def spec(self) -> FeatureSpec:
        """Return the contract of the vectors; cheap, loads no model."""
        columns = feature_columns(self._groups, self._functionals, self._n_components)
        settings: dict[str, Any] = {
            "groups": list(self._groups),
            "functionals": list(self._functionals),
            "rate_hz": self._rate_hz,
            "max_faces": self._max_faces,
            "min_coverage": self._min_coverage,
            "min_frames": self._min_frames,
        }
        return FeatureSpec(
            name=self.name,
            modality="visual",
            dim=len(columns),
            columns=columns,
            version=self.version,
            settings=settings,
            # Another basis gives other columns under the same names: it is part of the contract.
            model_id=f"mediapipe/face_landmark_with_attention, shape basis {shape_basis_digest()}",
            backend=backend_version("mediapipe"),
        )

    def frame_stage(self) -> FrameStage:
        """Return the pass over the frames that finds, follows and describes the faces."""
        return FaceTracks(self._rate_hz, self._max_faces)

    def units(self) -> tuple[str, ...]:
        """Return degrees for the pose, blinks a second; the rest has no unit."""
        pose = tuple(f"{name}_" for name in POSE_NAMES)
        units = {BLINK_COLUMN: "1/s"}
        return tuple(
            units.get(column, "deg" if column.startswith(pose) else "")
            for column in self.spec().columns
        )

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the speaking face of each utterance.

        Returns
        -------
        FeatureBlock
            With the quality of `speaking.SpeakingFaces`.
        """
        arrays = source.frames(self.frame_stage()) if utterances else {}
        faces = self._speaking(source, arrays, utterances)
        spec = self.spec()
        values = np.zeros((len(utterances), spec.dim), np.float32)
        for row, face in enumerate(faces.seen):
            if face.reason is None:
                values[row] = self._vector(arrays, face.rows)
        return FeatureBlock(
            spec=spec,
            values=values,
            present=faces.present,
            reasons=faces.reasons,
            quality=faces.quality,
        )

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Describe every face in every frame; see `face_table.face_table`."""
        arrays = source.frames(self.frame_stage())
        return face_table(
            self.spec(),
            arrays,
            utterances,
            lambda: self._speaking(source, arrays, utterances),
            self._groups,
            self._n_components,
        )

    def _speaking(
        self, source: Source, arrays: Arrays, utterances: Sequence[Utterance]
    ) -> SpeakingFaces:
        return speaking_faces(
            source,
            arrays,
            utterances,
            rate_hz=self._rate_hz,
            min_coverage=self._min_coverage,
            min_frames=self._min_frames,
        )

    def _vector(self, arrays: Arrays, rows: Rows) -> FloatArray:
        described = {group: np.asarray(arrays[group][rows], np.float32) for group in self._groups}
        columns = columns_of(described, self._groups)
        return utterance_vector(columns, described, self._functionals, len(rows) / self._rate_hz)

    def still_features(
        self, images: Iterable[npt.NDArray[np.uint8]], n_workers: int = 1
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Describe photographs of one face each with the columns of this extractor's spec.

        Parameters
        ----------
        images : iterable of uint8 [h, w] grey or [h, w, 3] RGB
            Tight face crops.
        n_workers : int
            Processes; the result does not depend on it.

        Returns
        -------
        values : float32 [n, dim]
            Zero where no face was found.
        found : bool [n]

        Raises
        ------
        UsageError
            If the settings ask for functionals of motion.
        """
        self._stills_only()
        describe = partial(still_measures, groups=self._groups)
        chunks = _chunks(images, CHUNK)
        if n_workers <= 1:
            parts = [describe(chunk) for chunk in chunks]
        else:
            # A fresh interpreter each: MediaPipe's threads do not survive a fork.
            context = get_context("spawn")
            with ProcessPoolExecutor(n_workers, mp_context=context) as pool:
                parts = list(pool.map(describe, chunks))
        if not parts:
            return np.zeros((0, self.spec().dim), np.float32), np.zeros(0, np.bool_)
        values, found = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(found)

    def mirrored(self, values: FloatArray) -> FloatArray:
        """Vectors float32 [n, dim] of the same faces seen in a mirror, for training.

        Raises
        ------
        UsageError
            If the settings ask for functionals of motion, which do not all mirror.
        """
        self._stills_only()
        parts = []
        for group in self._groups:
            width = len(group_columns(self._n_components)[group])
            part, values = values[:, :width], values[:, width:]
            if group == "pose":
                part = part * np.array([-1, 1, -1], np.float32)
            elif group == "blink":
                part = part[:, ::-1]
            elif group == "shape":
                part = part * load_shape_basis().mirror_signs()
            parts.append(part)
        return np.asarray(np.concatenate(parts, axis=1), np.float32)

    def _stills_only(self) -> None:
        if self._functionals != ("mean",):
            raise UsageError(
                f"a photograph has no {', '.join(self._functionals)}: "
                'expected functionals=("mean",) to describe still images.'
            )

    @property
    def _n_components(self) -> int:
        return len(load_shape_basis().components)


def _chunks(
    images: Iterable[npt.NDArray[np.uint8]], size: int
) -> Iterator[list[npt.NDArray[np.uint8]]]:
    remaining = iter(images)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _chosen(what: str, wanted: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the wanted names in the order of the known ones, so that settings compare."""
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted or isinstance(wanted, str):
        raise UsageError(f"facemesh: {what} {list(wanted)} must be some of {', '.join(known)}.")
    return tuple(name for name in known if name in wanted)
