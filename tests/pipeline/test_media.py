"""Probing: what a file is, and one clear sentence when it is not a recording."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from affect_pipe.pipeline.errors import MediaError, UsageError
from affect_pipe.pipeline.media import MediaLimits, probe

PICTURE = ("-f", "lavfi", "-i", "testsrc=size=160x90:rate=25:duration=2")
SINE = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=3")
# A codec's frame is at most 1152 samples at 44.1 kHz, and encoders pad both ends.
AUDIO_FRAME_S = 0.06


def test_video_with_longer_audio(make_media):
    path = make_media("a.mp4", *PICTURE, *SINE, "-c:v", "libx264", "-c:a", "aac")
    media = probe(path)
    assert media.path == path
    assert media.digest == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    assert media.video is not None
    assert (media.video.codec, media.video.width_px, media.video.height_px) == ("h264", 160, 90)
    assert media.video.average_rate_hz == pytest.approx(25)
    assert media.video.rotation_deg == 0
    assert media.audio is not None
    assert (media.audio.codec, media.audio.sample_rate_hz, media.audio.n_channels) == (
        "aac",
        44100,
        1,
    )
    assert media.duration_s == pytest.approx(3.0, abs=AUDIO_FRAME_S)


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "ogg", "m4a", "aac"])
def test_audio_alone(make_media, suffix):
    media = probe(make_media(f"a.{suffix}", *SINE))
    assert media.video is None
    assert media.audio is not None
    assert media.audio.sample_rate_hz == 44100
    assert media.duration_s == pytest.approx(3.0, abs=AUDIO_FRAME_S)


def test_video_alone(make_media):
    media = probe(make_media("a.mp4", *PICTURE))
    assert media.audio is None
    assert media.duration_s == pytest.approx(2.0, abs=0.01)


def test_a_cover_picture_is_not_video(make_media):
    cover = make_media("cover.png", *PICTURE, "-frames:v", 1)
    arguments = ("-map", "0:a", "-map", "1:v", "-disposition:v", "attached_pic")
    media = probe(make_media("song.mp3", *SINE, "-i", cover, *arguments))
    assert media.video is None
    assert media.audio is not None


def test_length_of_webm_written_live(make_media):
    # A recorder in a browser writes no duration in the header.
    arguments = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-live", 1)
    media = probe(make_media("a.webm", *PICTURE, *arguments))
    assert media.duration_s == pytest.approx(2.0, abs=0.05)


def test_rotation_swaps_the_sides(make_media):
    flat = make_media("flat.mp4", *PICTURE)
    media = probe(make_media("up.mp4", "-display_rotation", 90, "-i", flat, "-c", "copy"))
    assert media.video is not None
    assert (media.video.width_px, media.video.height_px) == (90, 160)
    assert media.video.rotation_deg == 90


def test_wide_pixels_count_as_shown(make_media):
    media = probe(make_media("a.mp4", *PICTURE, "-vf", "setsar=2/1"))
    assert media.video is not None
    assert (media.video.width_px, media.video.height_px) == (320, 90)


@pytest.mark.parametrize("name", ["two words.mp4", "-dash.mp4", "\N{GRINNING FACE}.mp4", "x" * 200])
def test_odd_names(make_media, monkeypatch, tmp_path, name):
    made = make_media("plain.mp4", *PICTURE)
    monkeypatch.chdir(tmp_path)
    made.rename(name)
    assert probe(name).video is not None


def test_digest_can_be_handed_in(make_media):
    assert probe(make_media("a.wav", *SINE), digest=lambda path: path.stem * 2).digest == "aa"


def test_missing_file_is_bad_use(tmp_path):
    with pytest.raises(UsageError, match=r"https://a.b/talk.mp4 is an address.*download"):
        probe("https://a.b/talk.mp4")
    with pytest.raises(UsageError, match=r"nowhere\.mp4 does not exist"):
        probe(tmp_path / "nowhere.mp4")


def test_name_too_long_is_bad_use(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        probe(tmp_path / ("x" * 300))


def test_folder_is_bad_use(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        probe(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_bad_use(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        probe(tmp_path / "pipe")


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything")
def test_unreadable_file_is_bad_use(make_media):
    path = make_media("a.wav", *SINE)
    path.chmod(0)
    with pytest.raises(UsageError, match="may not be read"):
        probe(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"Dear reader, this is plain text.\n" * 100, "not a video or audio file"),
        (bytes(range(256)) * 64, "not a video or audio file|neither audio nor video"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "still picture"),
    ],
)
def test_not_media(tmp_path, content, sentence):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=sentence):
        probe(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tiff", "webp"])
def test_still_picture(make_media, suffix):
    with pytest.raises(MediaError, match="still picture"):
        probe(make_media(f"a.{suffix}", *PICTURE, "-frames:v", 1))


def test_subtitles_alone(tmp_path):
    path = tmp_path / "a.mkv"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    with pytest.raises(MediaError, match="not a video or audio file"):
        probe(path)


def test_mp4_cut_off_before_its_index(make_media):
    path = make_media("a.mp4", *PICTURE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match="cut off before its index"):
        probe(path)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (MediaLimits(max_bytes=1000), "more than the limit of 1000"),
        (MediaLimits(max_duration_s=1.0), "lasts 3 s, more than the limit of 1 s"),
        (MediaLimits(max_side_px=100), "160 x 90 pixels, larger than the limit of 100"),
    ],
)
def test_limits(make_media, limits, sentence):
    path = make_media("a.mp4", *PICTURE, *SINE)
    with pytest.raises(MediaError, match=sentence):
        probe(path, limits=limits)


SHARED_MEDIA = Path(
    os.environ.get("AFFECT_PIPE_DATA", Path(__file__).parents[3] / "shared" / "data")
).parent.joinpath("media")


@pytest.mark.data
@pytest.mark.skipif(not SHARED_MEDIA.is_dir(), reason="no folder of recordings beside the checkout")
def test_recordings_found_in_the_wild():
    recordings = [
        p for p in sorted(SHARED_MEDIA.iterdir()) if p.suffix in {".mp4", ".mov", ".flac"}
    ]
    assert recordings
    for path in recordings:
        media = probe(path)
        assert media.duration_s > 2
        assert media.audio is not None
        assert (media.video is None) == (path.suffix == ".flac")
