"""The file that comes out: its streams, times, sound and bytes; and none where it failed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.overlay import colours
from affect_pipe.pipeline.overlay.faces import FaceTracks
from affect_pipe.pipeline.overlay.layout import picture_size
from affect_pipe.pipeline.overlay.render import write_overlay

NOISE = ("-f", "lavfi", "-i", "anoisesrc=seed=1:duration=3:amplitude=0.5:color=pink")
H264 = ("-c:v", "libx264", "-preset", "ultrafast")
# The tick of the output, and half a tick of Matroska's milliseconds.
TIME_TOLERANCE_S = 0.0006
# Lossy coding of a flat ground.
COLOUR_TOLERANCE = 24


def picture(size="320x240", rate=25, seconds=3, more=""):
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}{more}")


VIDEOS = {
    "plain.mp4": (*picture(), *NOISE, *H264),
    "odd.mkv": (*picture("331x247"), *H264, "-pix_fmt", "yuv444p"),
    "upright.mp4": (*picture("180x320"), *NOISE, *H264),
    "ntsc.mp4": (*picture(rate="30000/1001"), *NOISE, *H264),
    "varying.mkv": (
        *picture(more=",select='not(mod(n,3))+gt(n,40)'"), *NOISE, *H264, "-fps_mode", "vfr",
    ),
    "late.ts": (*picture(), "-itsoffset", 0.7, *NOISE, *H264, "-muxdelay", 0),
    "later.mkv": ("-itsoffset", 0.5, *picture(), *NOISE, *H264),
    "wide.avi": (*picture("640x96"), *NOISE, "-c:v", "mjpeg"),
    "8khz.mov": (*picture(), *NOISE, *H264, "-ar", 8000, "-c:a", "pcm_s16le"),
    "six.mkv": (*picture(), *NOISE, *H264, "-ac", 6, "-c:a", "flac"),
}  # fmt: skip


@pytest.mark.parametrize("name", VIDEOS)
def test_pictures_keep_their_times_and_sound_stays_with_them(
    name, make_media, make_result, no_faces, described, sound_of, tmp_path
):
    source = make_media(name, *VIDEOS[name])
    made = tmp_path / "out" / "made.overlay.mp4"
    write_overlay(make_result(source, [(0.5, 1.5, "Hello there.")]), no_faces, made)

    before, after = described(source), described(made)
    np.testing.assert_allclose(after["times_s"], before["times_s"], atol=TIME_TOLERANCE_S)
    assert after["codecs"][0] == "h264"
    assert after["pixels"] == "yuv420p"
    assert all(side % 2 == 0 for side in after["size"])
    last = np.diff(before["times_s"]).max()
    assert after["ends_s"][0] == pytest.approx(before["times_s"][-1] + last, abs=last + 1e-3)
    data = made.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")

    if len(before["codecs"]) == 1:
        assert after["audio_hz"] is None
        return
    assert after["codecs"][1] == "aac"
    assert abs(lag_s(sound_of(source), sound_of(made))) < 0.002


def lag_s(first, second):
    """By how much the second sound comes after the first: where they correlate best."""
    n = min(len(first), len(second))
    n_fft = 2 * n
    spectrum = np.conj(np.fft.rfft(first[:n], n_fft)) * np.fft.rfft(second[:n], n_fft)
    correlation = np.fft.irfft(spectrum, n_fft)
    best = int(np.argmax(correlation))
    energy = np.sqrt((first[:n] ** 2).sum() * (second[:n] ** 2).sum())
    assert correlation[best] > 0.8 * energy
    return (best - n_fft if best > n else best) / 16000


def test_a_turned_video_comes_out_upright(
    make_media, make_result, no_faces, described, frames_of, ffmpeg, tmp_path
):
    flat = make_media("flat.mp4", *picture("320x240", seconds=1), *H264)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", 90, "-i", flat, "-c", "copy", turned)
    made = tmp_path / "turned.overlay.mp4"
    write_overlay(make_result(turned), no_faces, made)
    width, height = picture_size(240, 320)
    # The ffmpeg program turns pictures by their metadata, and scales by another filter.
    wanted = frames_of(turned, width, height, "-vf", f"scale={width}:{height}")
    shown = frames_of(made, *described(made)["size"])[:, :height, :width]
    assert shown.shape == wanted.shape
    assert np.abs(shown.astype(int) - wanted).mean() < 6
    assert np.abs(shown.astype(int) - wanted[:, ::-1]).mean() > 30


def test_the_same_result_gives_the_same_bytes(make_media, make_result, no_faces, tmp_path):
    # Its size, 562 x 276, is one at which the encoder's faster ways read memory nobody wrote.
    source = make_media("plain.mp4", *VIDEOS["plain.mp4"])
    result = make_result(source, [(0.5, 1.5, "Hello there."), (2.0, 2.5, "שלום")])
    made = [tmp_path / f"{k}.overlay.mp4" for k in range(2)]
    for path in made:
        write_overlay(result, no_faces, path)
    assert made[0].read_bytes() == made[1].read_bytes()


def test_captions_show_while_they_are_spoken(
    make_media, make_result, no_faces, described, frames_of, tmp_path
):
    source = make_media("plain.mp4", *VIDEOS["plain.mp4"])
    made = tmp_path / "plain.overlay.mp4"
    said = [(0.5, 1.2, "They fixed it in an hour."), (1.6, 2.4, "我今天非常高兴")]
    write_overlay(make_result(source, said), no_faces, made)
    about = described(made)
    width, height = picture_size(320, 240)
    strips = frames_of(made, *about["size"])[:, height:, :width].astype(int)
    bright = (strips > 200).all(axis=3).sum(axis=(1, 2))
    spoken = [any(a <= t < b for a, b, _ in said) for t in about["times_s"]]
    assert (bright[np.array(spoken)] > 100).all()
    assert (bright[~np.array(spoken)] == 0).all()


def test_boxes_follow_a_face_and_name_the_speaker(
    make_media, make_result, described, frames_of, tmp_path
):
    source = make_media("grey.mp4", "-f", "lavfi", "-i", "color=gray:s=400x400:d=2:r=25", *H264)
    # Looked at ten times a second: one face moves to the right, another stays.
    looks = np.arange(0, 2, 0.1)
    left = 0.1 + 0.15 * looks
    boxes = [[[x, 0.3, x + 0.2, 0.6], [0.75, 0.1, 0.95, 0.4]] for x in left]
    tracks = FaceTracks(
        looks,
        looks.repeat(2),
        np.tile([0, 1], len(looks)).astype(np.int32),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.zeros((2 * len(looks), 0), np.float32),
        (),
    )
    made = tmp_path / "grey.overlay.mp4"
    write_overlay(make_result(source, [(0.0, 1.0, "Hello.")]), tracks, made)
    about = described(made)
    frames = frames_of(made, *about["size"])[:, :400, :400].astype(int)
    for time_s, frame in zip(about["times_s"], frames, strict=True):
        # Below the names, which stand above the boxes.
        edge = 400 * (0.1 + 0.15 * min(time_s, looks[-1]))
        columns = np.flatnonzero(like(frame[140:230], colours.SPEAKER).mean(axis=0) > 0.9)
        if time_s < 1.0:
            assert columns.min() == pytest.approx(edge, abs=3)
            assert columns.max() == pytest.approx(edge + 80, abs=3)
        else:
            assert len(columns) == 0
        other = like(frame[60:150], colours.OTHER).mean(axis=0) > 0.9
        assert np.flatnonzero(other[280:]).min() + 280 == pytest.approx(300, abs=3)


def like(frame, colour):
    return (np.abs(frame - np.array(colour)) < COLOUR_TOLERANCE).all(axis=-1)


WRITE = """
    import sys, resource, signal
    from pathlib import Path
    from affect_pipe.pipeline.media import probe
    from affect_pipe.pipeline.overlay.faces import FaceTracks
    from affect_pipe.pipeline.overlay.render import write_overlay
    from affect_pipe.pipeline.records import *
    import numpy as np
    none, empty = np.zeros(0), np.zeros((0, 4), np.float32)
    tracks = FaceTracks(none, none, none.astype(np.int32), empty, empty[:, :0], ())
    result = VideoResult(
        probe(Path(sys.argv[1])), Transcript((), "srt"), VideoFeatures((), {}), Prediction(()),
        ModelInfo("starter", "00", "cim", "none"),
    )
    def progress(fraction):
        if fraction > 0.5:
            print("half", flush=True)
            sys.stdin.read()
    write_overlay(result, tracks, sys.argv[2], progress=progress)
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no nameless files")
def test_a_killed_run_leaves_nothing(make_media, tmp_path):
    source = make_media("plain.mp4", *VIDEOS["plain.mp4"])
    out = tmp_path / "out"
    command = [sys.executable, "-c", textwrap.dedent(WRITE), source, out / "a.overlay.mp4"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "half\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert list(out.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(make_media, make_result, no_faces, tmp_path):
    source = make_media("plain.mp4", *VIDEOS["plain.mp4"])
    result = make_result(source)
    out = tmp_path / "out"
    out.mkdir()
    older = out / "a.overlay.mp4"
    older.write_bytes(b"older")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(ResultError, match=r"a\.overlay\.mp4 cannot be written"):
            write_overlay(result, no_faces, older)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert older.read_bytes() == b"older"
    assert list(out.iterdir()) == [older]
