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


def flat(*levels):
    """Looks of plain grey faces."""
    return np.repeat(np.array(levels, np.uint8)[:, None], 192, axis=1)


def test_a_face_that_suddenly_looks_different_is_another_one():
    times, boxes, _ = story({k: (0.4, 0.4) for k in range(20)})
    looks = flat(*[200] * 10, *[100] * 10)
    assert list(link_tracks(times, boxes, looks)) == [0] * 10 + [1] * 10
    # Light that changes little by little does not make it another one.
    slow = flat(*np.linspace(200, 100, 20).astype(int))
    assert set(link_tracks(times, boxes, slow)) == {0}
    # In a dim video faces differ by less.
    assert len(set(link_tracks(times, boxes, looks // 8))) == 2


def test_a_face_that_comes_back_elsewhere_is_known_by_its_look():
    times, boxes, truth = story(
        {k: (0.1, 0.3) for k in range(10)},
        {k: (0.7, 0.3) for k in range(10)},
        {k: (0.5, 0.1) for k in range(40, 50)},
    )
    looks = flat(*np.array([60, 180, 185])[truth])
    tracks = link_tracks(times, boxes, looks)
    assert set(tracks[truth == 2]) == set(tracks[truth == 1])
    # Without looks, or looking like nobody before, it is a new face.
    assert set(link_tracks(times, boxes)) == {0, 1, 2}
    assert set(link_tracks(times, boxes, flat(*np.array([60, 180, 120])[truth]))) == {0, 1, 2}


def test_two_in_one_frame_are_two_however_alike():
    times, boxes, truth = story(
        {k: (0.1, 0.3) for k in range(20)}, {k: (0.6, 0.3) for k in range(5, 20)}
    )
    np.testing.assert_array_equal(link_tracks(times, boxes, flat(*[120] * len(times))), truth)


def test_no_faces_no_tracks():
    tracks = link_tracks(np.zeros(0), np.zeros((0, 4)))
    assert tracks.shape == (0,)
    assert tracks.dtype == np.int32
    assert link_tracks(np.zeros(0), np.zeros((0, 4)), np.zeros((0, 192), np.uint8)).shape == (0,)
