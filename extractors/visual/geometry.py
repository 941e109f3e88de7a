"""Taking head pose and size out of 478 landmarks, and telling what they were.

A face is turned, scaled and shifted onto a reference face by the similarity transform that leaves
the least squared distance over all landmarks (Umeyama 1991, eqs. 40 to 42; ordinary Procrustes
analysis). What is left is shape: expression and build.

Axes, here and in the landmarks: x to the right of the image, y down, z away from the camera.
Normalised shapes are in units of the reference's outer eye-corner distance, origin at its centroid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.mesh import LEFT_EYE_OUTER, N_LANDMARKS, RIGHT_EYE_OUTER
from affect_pipe.pipeline.records import FloatArray

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Normalised:
    """Faces without their pose.

    Attributes
    ----------
    shapes : float32 [n, 478, 3]
        Landmarks on the reference.
    angles_deg : float32 [n, 3]
        Head yaw (positive: nose to the right of the image), pitch (positive: nose down) and roll
        (positive: clockwise as seen).
    size : float32 [n]
        Outer eye-corner distance the face would have seen from the front, in landmark units.
    """

    shapes: FloatArray
    angles_deg: FloatArray
    size: FloatArray


def normalise(landmarks: FloatArray, reference: FloatArray) -> Normalised:
    """Lay faces on the reference.

    Parameters
    ----------
    landmarks : float [n, 478, 3]
        In any one unit, x and y on the same scale.
    reference : float [478, 3]
        A frontal face whose outer eye corners are 1 apart, centred.
    """
    faces = _checked(landmarks)
    target = np.asarray(reference, np.float64)
    target = target - target.mean(axis=0)
    centred = faces - faces.mean(axis=1, keepdims=True)
    left, spread, right = np.linalg.svd(centred.transpose(0, 2, 1) @ target)
    # A reflection would turn a face inside out: the weakest axis is flipped back.
    signs = np.ones_like(spread)
    signs[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation = (left * signs[:, None]) @ right
    scale = (spread * signs).sum(axis=1) / np.maximum((centred**2).sum(axis=(1, 2)), 1e-12)
    shapes = (centred @ rotation) * scale[:, None, None]
    return Normalised(
        shapes.astype(np.float32),
        _angles_deg(rotation).astype(np.float32),
        (1.0 / np.maximum(scale, 1e-12)).astype(np.float32),
    )


def _checked(landmarks: FloatArray) -> npt.NDArray[np.float64]:
    faces = np.asarray(landmarks, np.float64)
    if faces.ndim != 3 or faces.shape[1:] != (N_LANDMARKS, 3):
        raise ValueError(f"landmarks must be [n, {N_LANDMARKS}, 3], got {list(faces.shape)}")
    if not np.isfinite(faces).all():
        raise ValueError("landmarks must be finite")
    return faces


def _angles_deg(rotation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Yaw, pitch, roll [n, 3] from rotations [n, 3, 3] that act on row vectors, head to reference.

    For column vectors ``rotation`` turns the reference into the seen head; it is read as
    Rx(pitch) Ry(-yaw) Rz(roll), the order OpenFace uses (Baltrusaitis et al. 2018).
    """
    back = rotation[:, :, 2]
    yaw = np.arctan2(-back[:, 0], np.hypot(back[:, 1], back[:, 2]))
    pitch = np.arctan2(-back[:, 1], back[:, 2])
    roll = np.arctan2(-rotation[:, 0, 1], rotation[:, 0, 0])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=1)))


def mirror(landmarks: FloatArray, index: Index) -> FloatArray:
    """Faces [n, 478, 3] seen in a mirror: x negated, left and right landmarks exchanged."""
    flipped = np.asarray(landmarks, np.float32)[:, index]
    return np.asarray(flipped * np.array([-1, 1, 1], np.float32))


def mirror_index(face: FloatArray) -> Index:
    """Pair the landmarks of a nearly symmetric frontal face: each one's mirror image, int64 [478].

    The pairing is the assignment of least squared distance between the face and its reflection.
    """
    from scipy.optimize import linear_sum_assignment

    centred = np.asarray(face, np.float64) - np.mean(face, axis=0)
    reflected = centred * [-1, 1, 1]
    distance = ((centred[:, None] - reflected[None]) ** 2).sum(axis=2)
    _, index = linear_sum_assignment(distance)
    if not np.array_equal(index[index], np.arange(len(index))):
        raise ValueError("the face is too asymmetric to pair its left and right landmarks")
    return np.asarray(index, np.int64)


def reference_face(landmarks: FloatArray, n_rounds: int = 4) -> tuple[FloatArray, Index]:
    """Symmetric mean face of many, by generalised Procrustes analysis (Gower 1975).

    The reference faces the way the average head does, so angles count from there: zero yaw and
    roll by symmetry, zero pitch by the mean of the faces given.

    Parameters
    ----------
    landmarks : float [n, 478, 3]

    Returns
    -------
    reference : float32 [478, 3]
        Centred, outer eye corners 1 apart.
    index : int64 [478]
        Its mirror pairs.
    """
    faces = _checked(landmarks)
    upright = faces - faces.mean(axis=1, keepdims=True)
    upright /= np.sqrt((upright**2).sum(axis=(1, 2), keepdims=True))
    reference = upright.mean(axis=0)
    index = mirror_index(reference.astype(np.float32))
    for _ in range(n_rounds):
        reference = _unit_eyes((reference + mirror(reference[None], index)[0]) / 2)
        reference = normalise(landmarks, reference.astype(np.float32)).shapes.mean(axis=0)
    reference = _unit_eyes((reference + mirror(reference[None], index)[0]) / 2)
    return reference.astype(np.float32), index


def _unit_eyes(face: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    centred = face - face.mean(axis=0)
    eyes = np.linalg.norm(centred[LEFT_EYE_OUTER] - centred[RIGHT_EYE_OUTER])
    return np.asarray(centred / eyes)
