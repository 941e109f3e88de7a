"""Landmarks of photographs that show one face and little else, for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.geometry import Index, mirror
from affect_pipe.extractors.visual.measures import columns_of, measure
from affect_pipe.extractors.visual.mesh import (
    N_LANDMARKS,
    FaceLandmarker,
    Image,
    Region,
    region_of,
)
from affect_pipe.extractors.visual.shape import load_shape_basis
from affect_pipe.pipeline.records import FloatArray

# Small crops are enlarged so that the landmark model's 192 px input holds no invented steps, and
# bordered because its region is half as large again as the face.
INNER_PX, BORDER_PX = 240, 60
SIDE_PX = INNER_PX + 2 * BORDER_PX
# Where a face can be in a tight crop, as (centre x, centre y, side) of the bordered square; tried
# in order until the model is sure of a face.
GUESSES = (
    (0.50, 0.53, 0.85),
    (0.50, 0.50, 0.70),
    (0.50, 0.53, 1.00),
    (0.50, 0.45, 0.85),
    (0.45, 0.53, 0.80),
    (0.55, 0.53, 0.80),
)
# Face-presence scores that count as a face: first sure ones for every guess, then doubtful ones.
PRESENCE = (0.5, 0.1)
# The model is run again on the region its own landmarks suggest, which settles roll and scale.
N_REFINEMENTS = 1


def enlarge(image: npt.NDArray[np.uint8]) -> Image:
    """Grey [h, w] or RGB [h, w, 3] crop as a bordered RGB square uint8 [360, 360, 3]."""
    import cv2

    inner = cv2.resize(image, (INNER_PX, INNER_PX), interpolation=cv2.INTER_CUBIC)
    border = (BORDER_PX,) * 4
    square = cv2.copyMakeBorder(inner, *border, cv2.BORDER_REPLICATE)
    if square.ndim == 2:
        square = cv2.cvtColor(square, cv2.COLOR_GRAY2RGB)
    return np.asarray(square, np.uint8)


def still_landmarks(images: Iterable[npt.NDArray[np.uint8]]) -> Iterator[FloatArray | None]:
    """Landmarks float32 [478, 3] in pixels of the bordered square, or None, one per image.

    Each image is also looked at in a mirror and the two answers are averaged: at 48 pixels a side
    the landmarks' noise is as large as many an expression, and the mirror's is partly its own.
    Mirroring the image therefore mirrors the landmarks.

    Parameters
    ----------
    images : iterable of uint8 [h, w] or [h, w, 3]
        Tight face crops of any size (FER-2013: 48 x 48 grey).
    """
    index = load_shape_basis().mirror_index
    landmarkers = [FaceLandmarker(presence) for presence in PRESENCE]
    try:
        for image in images:
            square = enlarge(image)
            seen = _settle(landmarkers, square)
            turned = _settle(landmarkers, np.ascontiguousarray(square[:, ::-1]))
            yield _average(seen, turned, index)
    finally:
        for landmarker in landmarkers:
            landmarker.close()


def _average(seen: FloatArray | None, turned: FloatArray | None, index: Index) -> FloatArray | None:
    """Mean of landmarks and of those found in the mirror, or the one there is."""
    if turned is None:
        return seen
    back = mirror(turned[None], index)[0]
    back[:, 0] += SIDE_PX
    return back if seen is None else np.asarray((seen + back) / 2, np.float32)


def _settle(landmarkers: list[FaceLandmarker], square: Image) -> FloatArray | None:
    for landmarker in landmarkers:
        for x, y, side in GUESSES:
            landmarks = landmarker.place(square, Region(x * SIDE_PX, y * SIDE_PX, side * SIDE_PX))
            if landmarks is None:
                continue
            for _ in range(N_REFINEMENTS):
                again = landmarker.place(square, region_of(landmarks))
                landmarks = landmarks if again is None else again
            return landmarks
    return None


def still_measures(
    images: Iterable[npt.NDArray[np.uint8]], groups: Sequence[str]
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Describe photographs of one face each.

    Returns
    -------
    values : float32 [n, d]
        Columns of ``groups`` (see `measures.group_columns`); zero where no face was found.
    found : bool [n]
    """
    basis = load_shape_basis()
    placed = list(still_landmarks(images))
    found = np.array([landmarks is not None for landmarks in placed], np.bool_)
    faces = [landmarks for landmarks in placed if landmarks is not None]
    empty = np.empty((0, N_LANDMARKS, 3), np.float32)
    described = columns_of(measure(np.stack(faces) if faces else empty, basis), groups)
    values = np.zeros((len(placed), described.shape[1]), np.float32)
    values[found] = described
    return values, found
