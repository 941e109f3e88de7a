"""Tracks over time, from boxes whose story is known."""

import numpy as np
import pytest

from affect_pipe.extractors.visual.tracks import MAX_GAP_S, MIN_ROWS, link_tracks, overlap

RATE_HZ = 10.0


def story(*faces):
    """Rows of (time, box) of faces given as {frame: (x, y)}; boxes are 0.2 wide and high."""
    rows = sorted(
        (frame / RATE_HZ, k, (x, y, x + 0.2, y + 0.2))
        for k, face in enumerate(faces)
        for frame, (x, y) in face.items()
    )
    times = np.array([row[0] for row in rows])
    return times, np.array([row[2] for row in rows]), np.array([row[1] for row in rows])


def test_overlap_of_known_boxes():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]], np.float32)
    expected = [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(overlap(boxes, boxes), expected, rtol=1e-6)
    assert overlap(np.zeros((1, 4)), boxes).max() == 0.0


def test_two_still_faces_are_two_tracks():
    times, boxes, truth = story(
        {k: (0.1, 0.3) for k in range(20)}, {k: (0.6, 0.3) for k in range(20)}
    )
    np.testing.assert_array_equal(link_tracks(times, boxes), truth)


def test_faces_that_pass_each_other_keep_their_tracks():
    right = {k: (0.05 + 0.03 * k, 0.30) for k in range(20)}
    left = {k: (0.65 - 0.03 * k, 0.35) for k in range(20)}
    times, boxes, truth = story(right, left)
    np.testing.assert_array_equal(link_tracks(times, boxes), truth)


@pytest.mark.parametrize(("gap_s", "n_tracks"), [(0.5, 1), (MAX_GAP_S + 0.5, 2)])
def test_gaps_are_bridged_up_to_a_limit(gap_s, n_tracks):
    skip = round(gap_s * RATE_HZ)
    frames = [*range(10), *range(10 + skip, 20 + skip)]
    times, boxes, _ = story({k: (0.4, 0.4) for k in frames})
    assert len(set(link_tracks(times, boxes))) == n_tracks


def test_a_moving_face_is_found_again_where_it_should_be():
    frames = [*range(10), *range(14, 24)]
    times, boxes, _ = story({k: (0.02 * k, 0.4) for k in frames})
    assert set(link_tracks(times, boxes)) == {0}


def test_short_tracks_are_dropped_and_numbers_have_no_holes():
    flash = {k: (0.7, 0.7) for k in range(MIN_ROWS - 1)}
    times, boxes, truth = story(flash, {k: (0.1, 0.1) for k in range(10)})
    tracks = link_tracks(times, boxes)
    assert set(tracks[truth == 0]) == {-1}
    assert set(tracks[truth == 1]) == {0}


def test_no_faces_no_tracks():
    tracks = link_tracks(np.zeros(0), np.zeros((0, 4)))
    assert tracks.shape == (0,)
    assert tracks.dtype == np.int32
