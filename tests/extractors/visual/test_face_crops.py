"""Pictures of single faces: where a known pixel lands, and a pass that shows them to a model."""

import math

import numpy as np
import pytest

from affect_pipe.extractors.visual.crops import FaceCrops, model_rows
from affect_pipe.extractors.visual.cutting import Crop, face_crop, square
from affect_pipe.extractors.visual.follow import FaceTracks
from affect_pipe.extractors.visual.mesh import FaceDetector, FaceLandmarker, region_of
from affect_pipe.pipeline.frames import iter_frames
from affect_pipe.pipeline.interfaces import Frame
from affect_pipe.pipeline.media import probe
from affect_pipe.pipeline.records import StageSpec


def test_a_square_of_whole_pixels_is_cut_as_it_is():
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    # Pixels 10 to 29 and 5 to 24: their middle is at 19.5 and 14.5.
    np.testing.assert_array_equal(square(image, 19.5, 14.5, 20, 0.0, 20), image[5:25, 10:30])


def test_a_quarter_turn_clockwise_is_undone():
    image = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    upright = square(image, 19.5, 19.5, 20, math.pi / 2, 20)
    # In the image the top of the square is on the right.
    expected = np.rot90(image[10:30, 10:30])
    assert np.abs(upright.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shrink", [1, 2, 3, 5])
def test_shrinking_averages_and_stays_in_place(shrink):
    columns = np.arange(400, dtype=np.float64)
    ramp = np.repeat(np.repeat((columns / 2)[None], 300, 0)[..., None], 3, 2).astype(np.uint8)
    cut = square(ramp, 200.0, 150.0, 40.0 * shrink, 0.0, 40)
    where = 200 + (np.arange(40) - 19.5) * shrink
    np.testing.assert_allclose(cut[20, :, 0], where / 2, atol=1.01)
    noise = np.random.default_rng(2).integers(0, 255, (300, 400, 3), np.uint8)
    if shrink > 1:
        assert square(noise, 200, 150, 40.0 * shrink, 0.0, 40).std() < 1.3 * noise.std() / shrink


def test_outside_of_the_image_its_edge_goes_on():
    image = np.full((50, 50, 3), 7, np.uint8)
    assert (square(image, 0.0, 0.0, 300.0, 0.3, 30) == 7).all()
    assert (square(image, -500.0, 900.0, 30.0, 0.0, 30) == 7).all()
    assert (square(image, -500.0, 900.0, 300.0, 0.0, 30) == 7).all()


@pytest.fixture(scope="module")
def clip(sample):
    frames = []
    for frame in iter_frames(probe(sample), 10.0):
        if frame.time_s >= 2.0:
            break
        frames.append(Frame(frame.time_s, frame.image.copy()))
    return frames


def test_a_tilted_head_is_turned_upright(clip):
    import cv2

    image = clip[5].image
    tilted = cv2.warpAffine(image, cv2.getRotationMatrix2D((240, 240), 25, 0.7), (480, 480))
    detector, landmarker = FaceDetector(), FaceLandmarker()
    found = landmarker.place(tilted, detector.detect(tilted)[0].region)
    assert abs(region_of(found).roll) > 0.3
    upright = face_crop(tilted, found, Crop(192, margin=0.25))
    again = landmarker.place(upright, detector.detect(upright)[0].region)
    assert abs(region_of(again).roll) < 0.05
    # The face fills the picture but for the margin.
    assert region_of(again).side / 1.5 == pytest.approx(192 / 1.5, rel=0.1)
    left = face_crop(tilted, found, Crop(192, margin=0.25, upright=False))
    again = landmarker.place(left, detector.detect(left)[0].region)
    assert abs(region_of(again).roll) > 0.3


class MeanColour:
    """A model whose answer is known: the mean colour of the picture."""

    crop = Crop(32, margin=0.0)

    def spec(self):
        return StageSpec("mean-colour-faces", "mean-colour", "1", {"of": "rgb"})

    def load(self):
        def describe(pictures):
            return {"colour": pictures.astype(np.float32).mean(axis=(1, 2))}

        return describe


@pytest.mark.parametrize(("every", "batch"), [(1, 16), (3, 4)])
def test_a_model_sees_the_faces_that_facemesh_follows(sample, clip, every, batch):
    media = probe(sample)
    # Two faces of different brightness; one of them is a flash of two frames.
    frames = [
        Frame(f.time_s, np.hstack([f.image, f.image // 2 if k > 1 else f.image * 0]))
        for k, f in enumerate(clip)
    ]
    stage = FaceCrops(MeanColour(), 10.0, every=every, batch=batch)
    arrays = stage.analyse(iter(frames), media)
    plain = FaceTracks(10.0).analyse(iter(frames), media)
    for name in ("frame_time_s", "time_s", "track", "box", "size", "mouth", "look"):
        np.testing.assert_array_equal(arrays[name], plain[name])
    assert len(arrays["colour"]) == len(arrays["model_row"])
    shown = arrays["model_row"]
    bright = arrays["colour"].mean(axis=1)
    tracks = arrays["track"][shown]
    assert set(tracks) == {0, 1}
    assert bright[tracks == 0].min() > 1.5 * bright[tracks == 1].max()
    expected = set(arrays["frame_time_s"][::every]) & set(arrays["time_s"])
    assert set(arrays["time_s"][shown]) == expected
    rows = np.flatnonzero(arrays["track"] == 1)
    assert (tracks[model_rows(arrays, rows)] == 1).all()
    assert stage.spec() != FaceCrops(MeanColour(), 10.0, every=every + 1).spec()


def test_nobody_is_no_rows(sample, clip):
    blank = [Frame(f.time_s, np.zeros_like(f.image)) for f in clip[:5]]
    stage = FaceCrops(MeanColour())
    arrays = stage.analyse(iter(blank), probe(sample))
    assert arrays["colour"].shape == (0, 3)
    assert arrays["model_row"].shape == arrays["track"].shape == (0,)
    assert stage.problem(arrays) == "no face found in the video"
