"""Frames: which ones, when, which way up. Each test video encodes its frame number as grey."""

from __future__ import annotations

import gc
import math

import av
import numpy as np
import pytest

from affect_pipe.pipeline.media import MediaLimits, iter_frames, probe

# Limited-range luma 16 + 4 n shows as RGB 4 n * 255 / 219.
GREY_STEP = 4 * 255 / 219
GREY = "format=yuv420p,geq=lum='16+4*N':cb=128:cr=128"
# Lossy coding of a flat picture, well under half a step.
GREY_TOLERANCE = 0.4
N_FRAMES = 50


def counting(rate_hz: object = 25, size: str = "64x48") -> tuple[object, ...]:
    source = f"color=black:size={size}:rate={rate_hz},trim=end_frame={N_FRAMES},{GREY}"
    return ("-f", "lavfi", "-i", source)


def frame_number(image: np.ndarray) -> int:
    value = float(image.mean()) / GREY_STEP
    assert abs(value - round(value)) < GREY_TOLERANCE
    return round(value)


def sampled(path, rate_hz, **settings):
    frames = iter_frames(probe(path), rate_hz, **settings)
    pairs = [(frame.time_s, frame_number(frame.image)) for frame in frames]
    return [time_s for time_s, _ in pairs], [number for _, number in pairs]


def expected(times_s, rate_hz):
    """The first time at or after each multiple of the period, each once: by search."""
    kept = []
    for k in range(math.ceil(times_s[-1] * rate_hz) + 1):
        later = [t for t in times_s if t >= k / rate_hz - 1e-4]
        if later and (not kept or later[0] > kept[-1]):
            kept.append(later[0])
    return kept


CODECS = {
    "h264.mp4": ("-c:v", "libx264", "-bf", 3, "-crf", 10),
    "h264.mov": ("-c:v", "libx264", "-bf", 3, "-crf", 10),
    "h264.mkv": ("-c:v", "libx264", "-bf", 3, "-crf", 10),
    "h264.ts": ("-c:v", "libx264", "-bf", 3, "-crf", 10),
    "h264.avi": ("-c:v", "libx264", "-bf", 2, "-crf", 10),
    "h264.flv": ("-c:v", "libx264", "-bf", 2, "-crf", 10),
    "hevc.mp4": ("-c:v", "libx265", "-x265-params", "log-level=none", "-crf", 10),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-crf", 10),
    "mpeg4.avi": ("-c:v", "mpeg4", "-q:v", 1),
    "mjpeg.avi": ("-c:v", "mjpeg", "-q:v", 1),
}


@pytest.mark.parametrize("name", CODECS)
def test_all_frames_of_every_container(make_media, name):
    times_s, numbers = sampled(make_media(name, *counting(), *CODECS[name]), 25)
    assert numbers == list(range(N_FRAMES))
    # Matroska and FLV keep whole milliseconds.
    np.testing.assert_allclose(times_s, np.arange(N_FRAMES) / 25, atol=1e-3)


@pytest.mark.parametrize("rate_hz", [1, 3, 7.5, 10, 12.5, 24, 25, 30, 1000])
def test_constant_rate(make_media, rate_hz):
    times_s, numbers = sampled(make_media("a.mp4", *counting(), "-crf", 10), rate_hz)
    want = expected([n / 25 for n in range(N_FRAMES)], rate_hz)
    np.testing.assert_allclose(times_s, want, atol=1e-6)
    assert numbers == [round(t * 25) for t in times_s]


@pytest.mark.parametrize("rate_hz", [2, 5, 10, 25])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_variable_rate(make_media, name, rate_hz):
    kept = [n for n in range(N_FRAMES) if n < 10 or n % 7 == 0]
    select = f"{GREY},select='lt(n,10)+not(mod(n,7))'"
    source = f"color=black:size=64x48:rate=25,trim=end_frame={N_FRAMES},{select}"
    arguments = ("-f", "lavfi", "-i", source, "-fps_mode", "vfr", "-crf", 10)
    times_s, numbers = sampled(make_media(name, *arguments), rate_hz)
    want = expected([n / 25 for n in kept], rate_hz)
    np.testing.assert_allclose(times_s, want, atol=1e-3)
    assert numbers == [round(t * 25) for t in want]


@pytest.mark.parametrize("rate", ["30", "30000/1001", "24000/1001"])
def test_own_rate_keeps_every_frame_although_stamps_are_rounded(make_media, rate):
    path = make_media("a.mkv", *counting(rate), "-crf", 10)
    numerator, _, denominator = rate.partition("/")
    _, numbers = sampled(path, int(numerator) / int(denominator or 1))
    assert numbers == list(range(N_FRAMES))


def test_clock_starts_with_the_first_stream(make_media):
    # MPEG-TS starts at 1.4 s by habit; the picture comes 0.5 s after the sound.
    sound = ("-f", "lavfi", "-i", "sine=duration=3")
    for name in ("a.ts", "a.mp4", "a.mkv"):
        path = make_media(name, *sound, "-itsoffset", 0.5, *counting(), "-crf", 10)
        times_s, numbers = sampled(path, 25)
        assert numbers == list(range(N_FRAMES))
        # The sound's encoder may start a codec frame before its zero.
        np.testing.assert_allclose(times_s, 0.5 + np.arange(N_FRAMES) / 25, atol=0.05)


# Corners of the upright picture, clockwise from the top left.
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))


def corner_video(make_media):
    boxes = ",".join(
        f"drawbox=x={x}:y={y}:w=64:h=48:color={color}:t=fill"
        for x, y, color in ((0, 0, "red"), (64, 0, "lime"), (64, 48, "blue"), (0, 48, "white"))
    )
    source = f"color=black:size=128x96:rate=5:duration=1,{boxes}"
    return make_media("flat.mp4", "-f", "lavfi", "-i", source, "-crf", 5, "-pix_fmt", "yuv444p")


def corners(image):
    height, width = image.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    places = [(rows[0], columns[0]), (rows[0], columns[1])]
    places += [(rows[1], columns[1]), (rows[1], columns[0])]
    return [tuple(np.round(image[place] / 255.0).astype(int) * 255) for place in places]


@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [None, "-display_hflip", "-display_vflip"])
def test_upright(make_media, turn_deg, mirror):
    flat = corner_video(make_media)
    # ffmpeg applies the flip after the turn, both to the picture as stored.
    flags = ["-display_rotation", turn_deg, *([mirror] if mirror else [])]
    path = make_media("turned.mp4", *flags, "-i", flat, "-c", "copy")
    # ffmpeg's own player filters are the second implementation.
    reference = make_media("reference.mp4", "-i", path, "-crf", 5, "-pix_fmt", "yuv444p")
    seen = next(iter_frames(probe(path), 5)).image
    want = next(iter_frames(probe(reference), 5)).image
    assert seen.shape == want.shape
    assert corners(seen) == corners(want)
    if turn_deg == 0 and mirror is None:
        assert corners(seen) == list(CORNERS)


@pytest.mark.parametrize(
    ("max_side_px", "shape"), [(None, (96, 128)), (64, (48, 64)), (999, (96, 128))]
)
def test_longest_side(make_media, max_side_px, shape):
    media = probe(corner_video(make_media))
    image = next(iter_frames(media, 5, max_side_px=max_side_px)).image
    assert image.shape == (*shape, 3)
    assert image.dtype == np.uint8
    assert corners(image) == list(CORNERS)


def test_images_stay_valid(make_media):
    # Nothing may overwrite a frame that a consumer still holds in a queue.
    frames = list(iter_frames(probe(make_media("a.mp4", *counting(), "-crf", 10)), 25))
    assert [frame_number(frame.image) for frame in frames] == list(range(N_FRAMES))


def test_decoded_frames_are_let_go(make_media):
    # A reference cycle through PyAV's side data once kept 300 MB of pixels alive.
    media = probe(make_media("a.mp4", *counting()))
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in iter_frames(media, 25)) == N_FRAMES
        alive = sum(issubclass(type(thing), av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert alive < 10


def test_damage_in_the_middle_is_passed_over(make_media):
    # In MOV the index survives, so that only the frames under the damage are lost.
    path = make_media("a.mov", *counting(), "-c:v", "mjpeg", "-q:v", 2)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xa5" * 2000
    path.write_bytes(content)
    warnings = []
    frames = list(iter_frames(probe(path), 25, warn=warnings.append))
    assert 30 < len(frames) < N_FRAMES
    assert "damaged video packets passed over" in warnings[0]
    assert frames[-1].time_s == pytest.approx((N_FRAMES - 1) / 25, abs=1e-3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_truncated_video_gives_what_decodes(make_media, suffix):
    noise = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=8")
    path = make_media(f"a.{suffix}", *noise, "-movflags", "+faststart", "-g", 25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    warnings = []
    frames = list(iter_frames(probe(path), 25, warn=warnings.append))
    assert 50 < len(frames) < 150
    assert any("cut off or damaged" in warning for warning in warnings)


def test_whole_video_gives_no_warning(make_media):
    warnings = []
    list(iter_frames(probe(make_media("a.mp4", *counting())), 25, warn=warnings.append))
    assert warnings == []


def test_a_consumer_may_stop_early(make_media):
    path = make_media("a.mp4", *counting())
    frames = iter_frames(probe(path), 25)
    next(frames)
    frames.close()
    path.unlink()


def test_picture_that_grows_past_the_limit(make_media):
    media = probe(make_media("a.mp4", *counting(size="320x240")))
    assert list(iter_frames(media, 25, limits=MediaLimits(max_side_px=200))) == []


def test_no_video(make_media):
    media = probe(make_media("a.wav", "-f", "lavfi", "-i", "sine=duration=1"))
    with pytest.raises(ValueError, match="has no video"):
        iter_frames(media, 25)


@pytest.mark.parametrize("rate_hz", [0, -1, math.nan, math.inf])
def test_bad_rate(make_media, rate_hz):
    media = probe(make_media("a.mp4", *counting()))
    with pytest.raises(ValueError, match="rate_hz must be above 0"):
        iter_frames(media, rate_hz)
