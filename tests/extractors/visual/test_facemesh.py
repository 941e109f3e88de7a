"""The facemesh feature on real images: the sample's face, alone, doubled, small, and absent."""

import os
from dataclasses import dataclass, field

import numpy as np
import pytest

from affect_pipe.extractors import registry
from affect_pipe.extractors.visual.facemesh import FaceMesh
from affect_pipe.extractors.visual.follow import FaceTracks
from affect_pipe.extractors.visual.mesh import FaceDetector, FaceLandmarker, box_of, region_of
from affect_pipe.extractors.visual.quiet import hushed_stderr
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frames import iter_frames
from affect_pipe.pipeline.interfaces import Frame
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio, Media, Utterance, VideoInfo

# The smile and the plain sentence of the sample's script.
PLAIN, HAPPY = (0.8, 4.4), (4.7, 8.5)
SPAN_S = 8.5


@dataclass
class FakeSource:
    """A video held in memory; counts how often its frames are analysed."""

    media: Media
    images: list[Frame] = field(default_factory=list)
    audio: Audio | None = None
    passes: dict = field(default_factory=dict)

    def frames(self, stage):
        if self.media.video is None:
            return {}
        key = repr(stage.spec())
        if key not in self.passes:
            self.passes[key] = stage.analyse(iter(self.images), self.media)
        return self.passes[key]


def media_of(path, video=True):
    info = VideoInfo("h264", 480, 480, 25.0) if video else None
    return Media(path, "0" * 32, "mp4", SPAN_S, None, info)


def utterances(*spans):
    return [Utterance(k, start, end, "words") for k, (start, end) in enumerate(spans)]


@pytest.fixture(scope="module")
def clip(sample):
    """The sample's first seconds at 10 frames a second, and its voice."""
    media = probe(sample)
    frames = []
    for frame in iter_frames(media, 10.0):
        if frame.time_s >= SPAN_S:
            break
        frames.append(Frame(frame.time_s, frame.image.copy()))
    return frames, read_audio(media)


@pytest.fixture(scope="module")
def talking(sample, clip):
    frames, audio = clip
    return FakeSource(media_of(sample), frames, audio)


@pytest.fixture(scope="module")
def block(talking):
    return FaceMesh().extract(talking, utterances(PLAIN, HAPPY))


def column(block, name):
    return block.values[:, block.spec.columns.index(name)]


def test_the_smile_is_seen_as_a_smile(block):
    assert block.present.all()
    plain, happy = column(block, "AU12_mean")
    assert happy > plain + 0.2
    assert (block.quality["face_coverage"] > 0.95).all()
    np.testing.assert_array_equal(block.quality["n_faces"], 1)
    np.testing.assert_allclose(block.quality["speaker_confidence"], 1.0)


def test_the_portrait_faces_the_camera(block):
    for name in ("yaw_deg_mean", "pitch_deg_mean", "roll_deg_mean"):
        assert np.abs(column(block, name)).max() < 20


def test_the_same_frames_give_the_same_bytes(talking, block):
    again = FaceTracks().analyse(iter(talking.images[:30]), talking.media)
    for name, array in talking.frames(FaceTracks()).items():
        np.testing.assert_array_equal(again[name], array[:30])


def test_functionals_are_those_of_the_stored_frames(talking, block):
    arrays = talking.frames(FaceTracks())
    inside = (arrays["time_s"] >= HAPPY[0]) & (arrays["time_s"] < HAPPY[1])
    yaw = arrays["pose"][inside, 0].astype(np.float64)
    assert column(block, "yaw_deg_mean")[1] == pytest.approx(yaw.mean(), abs=1e-4)
    assert column(block, "yaw_deg_std")[1] == pytest.approx(yaw.std(), abs=1e-4)
    assert column(block, "yaw_deg_max")[1] == pytest.approx(yaw.max(), abs=1e-4)


def test_a_face_that_moves_and_tilts_is_followed(clip):
    import cv2

    frames, _ = clip
    first = frames[10].image
    moved = []
    for k in range(20):
        turn = cv2.getRotationMatrix2D((240, 240), -2.0 * k, 0.6)
        turn[:, 2] += (4 * k - 40, 2 * k)
        moved.append(Frame(k / 10, cv2.warpAffine(first, turn, (480, 480))))
    arrays = FaceTracks().analyse(iter(moved), media_of("moved.mp4"))
    assert list(arrays["track"]) == [0] * 20
    roll = arrays["pose"][:, 2]
    np.testing.assert_allclose(roll - roll[0], 2.0 * np.arange(20), atol=3.0)


@pytest.mark.parametrize("moving_first", [True, False])
def test_of_two_faces_the_one_whose_mouth_moves_speaks(talking, clip, moving_first):
    frames, audio = clip
    span = (5.5, 8.0)
    still = frames[0].image
    doubled = []
    for frame in frames:
        if span[0] <= frame.time_s < span[1]:
            pair = (frame.image, still) if moving_first else (still, frame.image)
            doubled.append(Frame(frame.time_s, np.hstack(pair)))
    source = FakeSource(talking.media, doubled, audio)
    fm = FaceMesh(functionals=("mean",))
    found = fm.extract(source, utterances(span))
    assert set(source.frames(fm.frame_stage())["track"]) == {0, 1}
    assert found.quality["n_faces"][0] == 2
    assert found.quality["speaker_confidence"][0] > 0.8
    # The moving face smiles; the one frozen before the first word does not.
    alone = fm.extract(talking, utterances(span))
    assert column(found, "AU12_mean")[0] == pytest.approx(column(alone, "AU12_mean")[0], abs=0.1)


def test_ten_faces_and_no_more(clip):
    small = clip[0][5].image[::2, ::2]
    crowd = np.vstack([np.hstack([small] * 4)] * 3)
    frames = [Frame(k / 10, crowd) for k in range(4)]
    arrays = FaceTracks(max_faces=10).analyse(iter(frames), media_of("crowd.mp4"))
    assert np.bincount(arrays["track"]).tolist() == [4] * 10
    assert arrays["box"].min() >= -0.05
    assert arrays["box"].max() <= 1.05


def test_absence_has_its_reason(sample, clip):
    frames, audio = clip
    blank = np.zeros_like(frames[0].image)
    hidden = [Frame(f.time_s, f.image if f.time_s < 0.5 else blank) for f in frames]
    spans = utterances((0.0, 4.0), (5.0, 6.0), (30.0, 31.0), (0.0, 0.45))
    found = FaceMesh().extract(FakeSource(media_of(sample), hidden, audio), spans)
    assert found.present.tolist() == [False, False, False, True]
    assert found.reasons == (
        "face visible in 12 % of the utterance, less than 20 %",
        "no face visible during the utterance",
        "no video frame during the utterance",
        None,
    )
    found = FaceMesh().extract(FakeSource(media_of(sample), frames[:1], audio), spans[3:])
    assert found.reasons == ("1 frame was looked at, too few to follow a face: 3 are needed",)
    nobody = [Frame(f.time_s, blank) for f in frames]
    found = FaceMesh().extract(FakeSource(media_of(sample), nobody, audio), spans)
    assert set(found.reasons) == {"no face found in the video"}
    assert "no face" in FaceTracks().problem(FaceTracks().analyse(iter(nobody), found))
    found = FaceMesh().extract(FakeSource(media_of(sample, video=False), [], audio), spans)
    assert set(found.reasons) == {"no video track"}
    assert FaceMesh().extract(FakeSource(media_of(sample), frames), []).values.shape[0] == 0


def test_one_frame_is_too_few(sample, clip):
    found = FaceMesh().extract(
        FakeSource(media_of(sample), clip[0][:15], None), utterances((1.0, 1.05))
    )
    assert found.reasons == ("face visible in 1 frame of the utterance, fewer than 2",)


def test_stills_have_the_columns_and_the_meaning_of_video(talking, clip):
    fm = FaceMesh(functionals=("mean",))
    frames = clip[0][50:80:6]
    arrays = talking.frames(fm.frame_stage())
    crops = []
    for frame in frames:
        row = int(np.flatnonzero(arrays["time_s"] == frame.time_s)[0])
        x0, y0, x1, y1 = (arrays["box"][row] * 480).astype(int)
        crops.append(frame.image[y0:y1, x0:x1])
    values, found = fm.still_features(crops)
    assert found.all()
    assert values.shape == (len(crops), fm.spec().dim)
    video = fm.extract(talking, utterances((5.0, 8.0))).values[0]
    smile = fm.spec().columns.index("AU12_mean")
    assert values[:, smile].mean() == pytest.approx(video[smile], abs=0.2)


def test_stills_of_a_mirrored_face_are_mirrored(clip):
    fm = FaceMesh(functionals=("mean",))
    # Already of the size stills are enlarged to, so that no rounding differs between the sides.
    face = np.ascontiguousarray(clip[0][60].image[120:360, 120:360])
    values, found = fm.still_features([face, np.ascontiguousarray(face[:, ::-1])])
    assert found.all()
    # What is left is the last digit of the landmarks, which the faintest shapes magnify.
    np.testing.assert_allclose(fm.mirrored(values[:1])[0], values[1], atol=0.15)
    np.testing.assert_allclose(fm.mirrored(values[:1])[0, :75], values[1, :75], atol=0.02)
    np.testing.assert_allclose(fm.mirrored(fm.mirrored(values)), values, atol=1e-5)


def test_a_still_without_a_face_is_not_found():
    values, found = FaceMesh(functionals=("mean",)).still_features([np.zeros((48, 48), np.uint8)])
    assert found.tolist() == [False]
    assert not values.any()


def test_stills_cannot_show_motion():
    with pytest.raises(UsageError, match="a photograph has no mean, std"):
        FaceMesh(functionals=("mean", "std")).still_features([])


def test_spec_is_canonical_and_refuses_nonsense():
    built = registry.build("facemesh", {"groups": ["shape", "au"], "functionals": ["mean"]})
    again = FaceMesh(groups=("au", "shape"), functionals=("mean",))
    assert built.spec().compatible_with(again.spec())
    assert built.spec().columns[0] == "AU01_mean"
    assert not built.spec().compatible_with(FaceMesh().spec())
    for wrong in ({"groups": ["nose"]}, {"functionals": []}, {"rate_hz": 0}, {"min_coverage": 2}):
        with pytest.raises(UsageError, match="facemesh"):
            registry.build("facemesh", wrong)


def test_landmarks_do_not_depend_on_what_was_seen_before(clip):
    detector, landmarker = FaceDetector(), FaceLandmarker()
    first, other = clip[0][0].image, np.ascontiguousarray(clip[0][60].image[:, ::-1])
    region = detector.detect(first)[0].region
    before = landmarker.place(first, region)
    landmarker.place(other, region)
    np.testing.assert_array_equal(landmarker.place(first, region), before)
    assert region_of(before).side > 1.4 * (box_of(before)[2] - box_of(before)[0])
    outside = region_of(before + np.float32([5000, 5000, 0]))
    assert landmarker.place(first, outside) is None


def fail_unheard():
    with hushed_stderr():
        os.write(2, b"unheard")
        raise RuntimeError("inside")


def test_standard_error_comes_back(capfd):
    with pytest.raises(RuntimeError, match="inside"):
        fail_unheard()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_models_start_in_silence(capfd, clip):
    FaceTracks().analyse(iter(clip[0][:3]), media_of("a.mp4"))
    assert capfd.readouterr().err == ""


def test_five_faces_in_a_group_photo(media_dir):
    import cv2

    image = cv2.cvtColor(cv2.imread(str(media_dir / "pyfeat_multi_face.jpg")), cv2.COLOR_BGR2RGB)
    frames = [Frame(k / 10, image) for k in range(4)]
    arrays = FaceTracks().analyse(iter(frames), media_of("group.mp4"))
    assert np.bincount(arrays["track"]).tolist() == [4] * 5
