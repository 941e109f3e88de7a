"""Pose normalisation undoes pose and nothing else; mirrors are exact."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from affect_pipe.extractors.visual.geometry import (
    mirror,
    mirror_index,
    normalise,
    reference_face,
)
from affect_pipe.extractors.visual.mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from affect_pipe.extractors.visual.shape import load_shape_basis

# Landmarks are float32 in pixels of a few hundred: seven digits.
SHAPE_TOLERANCE = 2e-5
ANGLE_TOLERANCE_DEG = 1e-2


@pytest.fixture(scope="module")
def reference():
    return load_shape_basis().reference


@pytest.fixture(scope="module")
def faces(reference):
    rng = np.random.default_rng(5)
    return (reference + rng.normal(0, 0.02, (6, 478, 3))).astype(np.float32)


def posed(faces, angles_deg=(0.0, 0.0, 0.0), scale=1.0, shift=(0.0, 0.0, 0.0)):
    """Turn by Rx(pitch) Ry(-yaw) Rz(roll), scale, shift."""
    yaw, pitch, roll = angles_deg
    turn = Rotation.from_euler("XYZ", [pitch, -yaw, roll], degrees=True).as_matrix()
    return (faces @ turn.T * scale + np.array(shift)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("angles", [(0, 0, 0), (35, 0, 0), (0, -25, 0), (0, 0, 170), (20, -15, 40)])
def test_shape_does_not_depend_on_pose(faces, reference, angles, scale):
    still = normalise(faces, reference).shapes
    moved = normalise(posed(faces, angles, scale, (3 * scale, -2 * scale, scale)), reference)
    np.testing.assert_allclose(moved.shapes, still, atol=SHAPE_TOLERANCE)


@pytest.mark.parametrize("angles", [(30, 0, 0), (0, 20, 0), (0, 0, -40), (25, -10, 15)])
def test_angles_and_size_are_those_given(reference, angles):
    found = normalise(posed(reference[None], angles, 120.0, (300, 200, 0)), reference)
    np.testing.assert_allclose(found.angles_deg[0], angles, atol=ANGLE_TOLERANCE_DEG)
    assert found.size[0] == pytest.approx(120.0, rel=1e-4)


def test_signs_of_the_angles(reference):
    nose = 1
    for axis, angles in enumerate([(20, 0, 0), (0, 20, 0)]):
        moved = posed(reference[None], angles)[0, nose] - reference[nose]
        assert moved[axis] > 0.05, "yaw turns the nose to the image's right, pitch down"
    right, left = posed(reference[None], (0, 0, 20))[0, [RIGHT_EYE_OUTER, LEFT_EYE_OUTER]]
    assert left[1] > right[1], "roll is clockwise as seen"


def test_expression_survives(reference):
    smile = reference.copy()
    smile[[61, 291], 1] -= 0.1
    moved = normalise(posed(smile[None], (20, 10, 5), 90.0), reference).shapes[0]
    assert moved[61, 1] - reference[61, 1] == pytest.approx(-0.1, abs=0.01)


def test_mirror_twice_is_the_face_itself(faces):
    index = load_shape_basis().mirror_index
    np.testing.assert_array_equal(index[index], np.arange(478))
    np.testing.assert_array_equal(mirror(mirror(faces, index), index), faces)


def test_mirrored_face_has_mirrored_pose_and_shape(faces, reference):
    index = load_shape_basis().mirror_index
    seen = normalise(posed(faces, (25, 10, -15), 80.0), reference)
    flipped = normalise(mirror(posed(faces, (25, 10, -15), 80.0), index), reference)
    np.testing.assert_allclose(flipped.shapes, mirror(seen.shapes, index), atol=SHAPE_TOLERANCE)
    expected = seen.angles_deg * [-1, 1, -1]
    np.testing.assert_allclose(flipped.angles_deg, expected, atol=ANGLE_TOLERANCE_DEG)


def test_mirror_pairs_known_landmarks():
    index = load_shape_basis().mirror_index
    # Pairs as MediaPipe's drawing tables have them: eye corners, lids, brows, lips, irises.
    for right, left in [(33, 263), (133, 362), (159, 386), (105, 334), (61, 291), (468, 473)]:
        assert index[right] == left
    for middle in (1, 4, 10, 13, 14, 152, 168):
        assert index[middle] == middle


def test_reference_of_posed_copies_is_the_face(reference):
    rng = np.random.default_rng(0)
    angles = rng.uniform(-20, 20, (40, 3))
    # Opposite poses in pairs, so that the mean head looks ahead.
    copies = [posed(reference, a, 50.0, (9, 9, 9)) for a in np.concatenate([angles, -angles])]
    found, index = reference_face(np.stack(copies))
    np.testing.assert_array_equal(index, mirror_index(reference))
    # The mean of large rotations leaves a fraction of a degree of pitch.
    np.testing.assert_allclose(found, reference, atol=0.02)


def test_bad_landmarks_are_refused(reference):
    with pytest.raises(ValueError, match="must be \\[n, 478, 3\\]"):
        normalise(reference, reference)
    with pytest.raises(ValueError, match="finite"):
        normalise(np.full((1, 478, 3), np.nan, np.float32), reference)
