"""The annotated video of a result: its faces from the cache, its pictures from the file."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from affect_pipe.extractors.visual.action_units import AU_NAMES
from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.fingerprint import stage_key
from affect_pipe.pipeline.frame_pass import FramePass
from affect_pipe.pipeline.interfaces import Arrays, FeatureExtractor, FrameStage
from affect_pipe.pipeline.media import MediaLimits
from affect_pipe.pipeline.overlay.faces import FaceTracks
from affect_pipe.pipeline.overlay.render import write_overlay
from affect_pipe.pipeline.preflight import overlay_name
from affect_pipe.pipeline.records import VideoResult
from affect_pipe.pipeline.source import StageWatch
from affect_pipe.pipeline.stages import Stages

NO_PICTURE = "this file has no picture to draw on, so no overlay was written"


def overlay(
    result: VideoResult,
    folder: str | Path,
    extractors: Sequence[FeatureExtractor],
    cache: Cache,
    frame_pass: FramePass,
    limits: MediaLimits,
    listener: Listener = ignore,
) -> tuple[Path | None, tuple[str, ...]]:
    """Draw a result into its video, as ``<stem>.overlay.mp4``.

    Parameters
    ----------
    result : VideoResult
    folder : str or Path
    extractors : sequence of FeatureExtractor
        Those that made the result: the pass over the frames of one of them holds the faces.
    cache, frame_pass, limits
        As for the run; the faces are looked for in the cache, else found again.
    listener : callable

    Returns
    -------
    path : Path or None
        None where the file has no picture.
    warnings : tuple of str
    """
    media = result.media
    if media.video is None:
        return None, (NO_PICTURE,)
    stages = Stages(media, cache, listener)
    tracks = _tracks(result, extractors, stages, frame_pass, limits)
    path = Path(folder) / overlay_name(media.path)
    stages.timed(
        "overlay",
        lambda: write_overlay(
            result,
            tracks,
            path,
            limits=limits,
            progress=lambda fraction: stages.tell("overlay", "progress", fraction),
            warn=stages.warn,
        ),
    )
    return path, tuple(w for w in stages.warnings if w not in result.warnings)


def _tracks(
    result: VideoResult,
    extractors: Sequence[FeatureExtractor],
    stages: Stages,
    frame_pass: FramePass,
    limits: MediaLimits,
) -> FaceTracks:
    found = (e.frame_stage() for e in extractors if e.spec().modality == "visual")
    stage = next((s for s in found if s is not None), None)
    if stage is None:
        return face_tracks({})
    return face_tracks(_pass(result, stage, stages, frame_pass, limits))


def _pass(
    result: VideoResult,
    stage: FrameStage,
    stages: Stages,
    frame_pass: FramePass,
    limits: MediaLimits,
) -> Arrays:
    spec = stage.spec()
    watch = StageWatch(stages, spec.stage, threading.Event())
    return stages.cached(
        spec.stage,
        stage_key(result.media.digest, spec),
        lambda: frame_pass(stage, result.media, limits, watch),
        lambda arrays: (arrays, {}),
        lambda entry: entry.arrays,
    )


def face_tracks(arrays: Arrays) -> FaceTracks:
    """Return what a pass over the frames found, as far as it is drawn.

    Parameters
    ----------
    arrays : mapping
        Output of a pass over faces; empty where there was none.
    """
    times = np.asarray(arrays.get("time_s", np.zeros(0)), np.float64)
    # Networks that see one face in several measure other things.
    measured = "au" in arrays and len(arrays["au"]) == len(times)
    names = AU_NAMES if measured else ()
    units = arrays["au"] if measured else np.zeros((len(times), 0))
    # Copies: what else the pass kept, nine tenths of it, can go.
    return FaceTracks(
        np.array(arrays.get("frame_time_s", np.zeros(0)), np.float64),
        np.array(times),
        np.array(arrays.get("track", np.zeros(0)), np.int32),
        np.array(arrays.get("box", np.zeros((0, 4))), np.float32),
        np.array(units, np.float32),
        names,
    )
