"""The `pyfeat` feature: what py-feat's networks see in the speaker's face during each utterance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from affect_pipe.extractors.visual import facet, pyfeat_models
from affect_pipe.extractors.visual.functionals import STATISTICS, utterance_vector
from affect_pipe.extractors.visual.measures import columns_of
from affect_pipe.extractors.visual.pyfeat_columns import (
    COLUMNS,
    GROUPS,
    LANDMARK_NAMES,
    UNITS,
    USUAL_GROUPS,
    vector_columns,
)
from affect_pipe.extractors.visual.pyfeat_stage import PyFeatFaces
from affect_pipe.extractors.visual.speaking import SpeakingFaces, speaking_faces
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays, FrameStage, Source
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray, Utterance

LAYOUTS = ("columns", "facet35")


class PyFeat:
    """Facial behaviour by py-feat 2.1 (Cheong et al. 2023, *Affective Science* 4, 781-796).

    Parameters
    ----------
    detector : {"v2", "v1"}
        ``v2`` (``Detectorv2``): RetinaFace and one network for everything else. ``v1``
        (``Detectorv1``, with py-feat's defaults): RetinaFace, MobileFaceNet landmarks, action
        units by boosted trees on gradient histograms, Residual Masking Network emotions, L2CS
        gaze, pose from the landmarks.
    layout : {"columns", "facet35"}
        ``columns``: functionals of the groups. ``facet35``: means over the frames in the 35
        columns of CMU-MOSEI's FACET 4.2; see `facet`, and expect little of it.
    groups : subset of {"au", "emotion", "affect", "pose", "gaze", "blendshape"}, optional
        By default au, emotion, pose and gaze; ``v1`` has no others. Only for ``columns``.
    functionals : subset of {"mean", "std", "max"}, optional
        All by default. Only for ``columns``.
    rate_hz : float
        Frames looked at per second of video.
    max_side_px : int
        Larger frames are made smaller first. RetinaFace takes most of the time, in proportion to
        the area, and looks for faces of 16 to 512 pixels; a face is then seen at 256 pixels. With
        a graphics card, or for small faces in large frames, take 1280 or more.
    min_score : float
        Detections below this score in [0, 1] are no faces; py-feat's default is 0.5.
    max_faces : int
        Most faces kept a frame, the largest.
    min_coverage, min_frames : float, int
        An utterance is described when a face is seen in this share of its frames, and this many.
    absent : sequence of str, optional
        What a contract in the layout ``facet35`` says is not there; refused if that is not so.
    batch : int, optional
        Frames given to the networks at a time; moves the last bits of the numbers at most, so it
        is not part of the settings.

    Raises
    ------
    UsageError
        If settings are out of range or do not go together.
    """

    name = "pyfeat"
    version = "1"

    def __init__(
        self,
        detector: str = "v2",
        layout: str = "columns",
        groups: Sequence[str] | None = None,
        functionals: Sequence[str] | None = None,
        rate_hz: float = 10.0,
        max_side_px: int = 640,
        min_score: float = 0.5,
        max_faces: int = 10,
        min_coverage: float = 0.2,
        min_frames: int = 2,
        absent: Sequence[str] | None = None,
        batch: int | None = None,
    ) -> None:
        self._detector = _one_of("detector", detector, tuple(GROUPS))
        self._layout = _one_of("layout", layout, LAYOUTS)
        if self._layout == "facet35":
            if groups is not None or functionals is not None:
                raise UsageError("pyfeat: the layout facet35 takes no groups and no functionals.")
            _check_absent(absent)
            self._groups: tuple[str, ...] = facet.GROUPS
            self._functionals: tuple[str, ...] = ("mean",)
        else:
            if absent is not None:
                raise UsageError("pyfeat: only the layout facet35 has absent columns.")
            known = GROUPS[self._detector]
            self._groups = _some_of("groups", USUAL_GROUPS if groups is None else groups, known)
            wanted = STATISTICS if functionals is None else functionals
            self._functionals = _some_of("functionals", wanted, STATISTICS)
        ranges = {
            "rate_hz": 0.0 < rate_hz <= 240.0,
            "max_side_px": 64 <= max_side_px <= 8192,
            "min_score": 0.0 < min_score <= 1.0,
            "max_faces": max_faces >= 1,
            "min_coverage": 0.0 <= min_coverage <= 1.0,
            "min_frames": min_frames >= 1,
            "batch": batch is None or 1 <= batch <= 1024,
        }
        wrong = [name for name, fits in ranges.items() if not fits]
        if wrong:
            raise UsageError(f"pyfeat: {', '.join(wrong)} out of range.")
        self._rate_hz, self._min_score = float(rate_hz), float(min_score)
        self._max_side_px, self._max_faces = int(max_side_px), int(max_faces)
        self._min_coverage, self._min_frames = float(min_coverage), int(min_frames)
        self._batch = batch

    @cached_property
    def _spec(self) -> FeatureSpec:
        settings: dict[str, Any] = {"detector": self._detector, "layout": self._layout}
        if self._layout == "facet35":
            columns: tuple[str, ...] = facet.FACET_COLUMNS
            settings |= {"absent": list(facet.ABSENT)}
        else:
            columns = vector_columns(self._groups, self._functionals)
            settings |= {"groups": list(self._groups), "functionals": list(self._functionals)}
        settings |= {
            "rate_hz": self._rate_hz,
            "max_side_px": self._max_side_px,
            "min_score": self._min_score,
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
            model_id=pyfeat_models.model_id(self._detector),
            backend=pyfeat_models.backend(),
            weights_digest=pyfeat_models.weights_digest(self._detector),
        )

    def weights(self) -> tuple[Weights, ...]:
        """Return the published weights of the detector."""
        return pyfeat_models.WEIGHTS[self._detector]

    def spec(self) -> FeatureSpec:
        """Return the contract; reads the weights once to tell which they are, loads nothing.

        Raises
        ------
        MissingDependencyError, MissingWeightsError
            If py-feat or one of its networks is not here.
        """
        return self._spec

    def frame_stage(self) -> FrameStage:
        """Return the pass over the frames that finds, describes and follows the faces."""
        return PyFeatFaces(
            self._detector,
            self._rate_hz,
            self._max_side_px,
            self._min_score,
            self._max_faces,
            batch=self._batch,
            note=facet.MISMATCH if self._layout == "facet35" else None,
        )

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the speaking face of each utterance.

        Returns
        -------
        FeatureBlock
            With the quality of `speaking.SpeakingFaces`.
        """
        spec = self.spec()
        arrays = source.frames(self.frame_stage()) if utterances else {}
        faces = self._speaking(source, arrays, utterances)
        values = np.zeros((len(utterances), spec.dim), np.float32)
        for row, face in enumerate(faces.seen):
            if face.reason is None:
                frames = self._frames(
                    {
                        name: array[face.rows]
                        for name, array in arrays.items()
                        if name in self._groups
                    }
                )
                values[row] = utterance_vector(frames, {}, self._functionals, seen_s=0.0)
        return FeatureBlock(
            spec=spec,
            values=values,
            present=faces.present,
            reasons=faces.reasons,
            quality=faces.quality,
        )

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return one row per face and frame of the whole file.

        Returns
        -------
        FrameTable
            In the layout ``columns`` the box in pixels of the video, the detection's score, every
            group the detector has and the 68 landmarks; in ``facet35`` its 35 columns. Labels:
            ``track`` of the face, ``utterance`` in which it is the speaking one, if it is.
        """
        spec = self.spec()
        arrays = source.frames(self.frame_stage())
        columns, units = self._table_columns()
        video = source.media.video
        if video is None or not arrays:
            none = np.zeros((0, len(columns)), np.float32)
            return FrameTable(spec, columns, units, np.zeros(0, np.float64), none)
        speaking: list[int | None] = [None] * len(arrays["time_s"])
        faces = self._speaking(source, arrays, utterances)
        for utterance, face in zip(utterances, faces.seen, strict=True):
            for row in face.rows:
                speaking[int(row)] = utterance.index
        if self._layout == "facet35":
            values = facet.facet_rows(arrays)
        else:
            size = np.array([video.width_px, video.height_px] * 2, np.float32)
            parts = [arrays["box"] * size, arrays["score"][:, None]]
            parts += [arrays[group] for group in GROUPS[self._detector]]
            values = np.concatenate([*parts, arrays["landmarks"]], axis=1).astype(np.float32)
        tracks = tuple(int(track) for track in arrays["track"])
        labels = {"track": tracks, "utterance": tuple(speaking)}
        return FrameTable(
            spec, columns, units, np.asarray(arrays["time_s"], np.float64), values, labels=labels
        )

    def _table_columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self._layout == "facet35":
            return facet.FACET_COLUMNS, facet.FACET_UNITS
        groups = GROUPS[self._detector]
        columns = ["x0", "y0", "x1", "y1", "score"]
        units = ["px"] * 4 + ["probability"]
        for group in groups:
            columns += COLUMNS[group]
            units += [UNITS[group]] * len(COLUMNS[group])
        columns += LANDMARK_NAMES
        return tuple(columns), (*units, *(["px"] * len(LANDMARK_NAMES)))

    def _frames(self, groups: Mapping[str, FloatArray]) -> FloatArray:
        """Columns of the layout for some frames: float32 [n, d]."""
        if self._layout == "facet35":
            return facet.facet_rows(groups)
        return columns_of(groups, self._groups)

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


def _one_of(what: str, wanted: str, known: tuple[str, ...]) -> str:
    if wanted not in known:
        raise UsageError(f"pyfeat: {what} {wanted!r} must be one of {', '.join(known)}.")
    return wanted


def _some_of(what: str, wanted: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the wanted names in the order of the known ones, so that settings compare."""
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted or isinstance(wanted, str):
        raise UsageError(f"pyfeat: {what} {list(wanted)} must be some of {', '.join(known)}.")
    return tuple(name for name in known if name in wanted)


def _check_absent(absent: Sequence[str] | None) -> None:
    if absent is not None and tuple(absent) != facet.ABSENT:
        raise UsageError(
            f"pyfeat: the layout facet35 lacks {', '.join(facet.ABSENT)}, not "
            f"{', '.join(map(str, absent)) or 'nothing'}."
        )
