"""Every face in every frame as a table, and which of them was taken for the speaker's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from affect_pipe.extractors.visual.measures import POSE_NAMES, columns_of, group_columns
from affect_pipe.extractors.visual.speaking import SpeakingFaces
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays
from affect_pipe.pipeline.records import FeatureSpec, Utterance

# What a face is measured with besides its description.
_PLACE = ("mouth_open", "face_size_px", "box_x0", "box_y0", "box_x1", "box_y1")
_PLACE_UNITS = ("", "px", "", "", "", "")


def face_table(
    spec: FeatureSpec,
    arrays: Arrays,
    utterances: Sequence[Utterance],
    choose: Callable[[], SpeakingFaces],
    groups: Sequence[str],
    n_components: int,
) -> FrameTable:
    """Lay out the faces of a video, a row a face and frame, in order of time.

    Parameters
    ----------
    spec : FeatureSpec
    arrays : mapping
        Output of `follow.FaceTracks.analyse`, or empty where there is no video.
    utterances : sequence
    choose : callable
        Chooses the speaking face of each utterance; asked only where there are faces.
    groups, n_components
        As in `measures`.

    Returns
    -------
    FrameTable
        float32: the columns of the groups, ``mouth_open`` (inner-lip gap in eye-corner distances),
        ``face_size_px`` (outer eye-corner distance) and the box as shares of the frame's width and
        height. Labels: ``track``, the number of the face; ``utterance``, the number of the
        utterance the frame is in, from 0, None between utterances; ``speaking``, 1 for the face
        taken for the speaker's, 0 for others, None between utterances.
    """
    names = tuple(name for group in groups for name in group_columns(n_components)[group])
    units = tuple("deg" if name in POSE_NAMES else "" for name in names)
    n = len(arrays["time_s"]) if arrays else 0
    values = np.zeros((0, len(names) + len(_PLACE)), np.float32)
    within: list[int | None] = [None] * n
    speaking: list[int | None] = [None] * n
    tracks: tuple[int, ...] = ()
    if n:
        described = {group: np.asarray(arrays[group], np.float32) for group in groups}
        place = [arrays["mouth"][:, None], arrays["size"][:, None], arrays["box"]]
        values = np.concatenate([columns_of(described, groups), *place], axis=1, dtype=np.float32)
        tracks = tuple(arrays["track"].tolist())
        _place(arrays, utterances, choose(), within, speaking)
    return FrameTable(
        spec=spec,
        columns=(*names, *_PLACE),
        units=(*units, *_PLACE_UNITS),
        time_s=arrays["time_s"] if n else np.zeros(0, np.float64),
        values=values,
        labels={"track": tracks, "utterance": tuple(within), "speaking": tuple(speaking)},
    )


def _place(
    arrays: Arrays,
    utterances: Sequence[Utterance],
    faces: SpeakingFaces,
    within: list[int | None],
    speaking: list[int | None],
) -> None:
    """Fill in the utterance of each row; where two overlap, that of the face that is speaking."""
    for utterance, face in zip(utterances, faces.seen, strict=True):
        number = utterance.index
        first, last = np.searchsorted(arrays["time_s"], [utterance.start_s, utterance.end_s])
        for row in range(first, last):
            if within[row] is None:
                within[row], speaking[row] = number, 0
        for row in face.rows.tolist():
            within[row], speaking[row] = number, 1
