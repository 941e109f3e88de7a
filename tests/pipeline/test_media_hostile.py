"""A file that names other files is refused; nothing but the named file is ever opened."""

from __future__ import annotations

import av
import av.error
import numpy as np
import pytest

from affect_pipe.pipeline.container import open_container
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.media import MediaLimits, iter_frames, probe, read_audio

SINE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1")

SCRIPTS = {
    "concat": "ffconcat version 1.0\nfile canary.ts\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\ncanary.ts\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"/>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "vobsub": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n",
}


@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat"])
def test_scripts_are_refused(make_media, tmp_path, monkeypatch, kind, suffix):
    make_media("canary.ts", *SINE)
    monkeypatch.chdir(tmp_path)
    script = tmp_path / f"{kind}{suffix}"
    script.write_text(SCRIPTS[kind])
    with pytest.raises(MediaError, match="give "):
        probe(script)


def test_the_canary_would_sing_without_the_guard(make_media, tmp_path):
    # Otherwise the test above would prove nothing.
    make_media("canary.ts", *SINE)
    script = tmp_path / "talk.mp4"
    script.write_text(SCRIPTS["concat"])
    with av.open(str(script)) as container:
        assert container.format.name == "concat"
        assert next(container.decode(audio=0)).samples > 0


def test_a_demuxer_that_asks_for_another_file_gets_none(make_media, tmp_path, monkeypatch):
    # As if a recording's demuxer followed a reference: let playlists in and watch them fail.
    make_media("canary.ts", *SINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("affect_pipe.pipeline.container.DEMUXERS", ("hls", "mpegts"))
    script = tmp_path / "talk.mp4"
    script.write_text(SCRIPTS["hls"])
    with (
        pytest.raises((MediaError, av.error.FFmpegError)),
        open_container(script, MediaLimits()) as container,
    ):
        next(container.decode(audio=0))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "flv", "mp3", "wav", "ogg"])
def test_scrambled_bytes_give_a_reading_or_one_sentence(make_media, suffix):
    picture = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=2")
    has_picture = suffix not in {"mp3", "wav", "ogg"}
    path = make_media(f"a.{suffix}", *(picture if has_picture else ()), *SINE)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for n_bytes in (1, 5, 50, 300) * 3:
        scrambled = np.frombuffer(content, np.uint8).copy()
        # The header is where a byte does most.
        reach = rng.choice([2000, len(content)])
        places = rng.integers(0, min(reach, len(content)), n_bytes)
        scrambled[places] = rng.integers(0, 256, n_bytes)
        path.write_bytes(scrambled.tobytes())
        try:
            media = probe(path)
            if media.audio is not None:
                assert np.isfinite(read_audio(media).samples).all()
            if media.video is not None:
                times_s = [frame.time_s for frame in iter_frames(media, 10)]
                assert times_s == sorted(set(times_s))
        except MediaError:
            continue


def test_a_stream_that_outruns_its_header_is_stopped(make_media):
    picture = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=3")
    media = probe(make_media("a.mkv", *picture, *SINE))
    limits = MediaLimits(max_duration_s=0.5)
    with pytest.raises(MediaError, match=r"runs past the limit of 0.5 s"):
        read_audio(media, limits=limits)
    with pytest.raises(MediaError, match=r"runs past the limit of 0.5 s"):
        list(iter_frames(media, 10, limits=limits))


@pytest.mark.parametrize(("n_copies", "opens"), [(50, True), (1000, False)])
def test_a_thousand_streams_are_not_opened(make_media, n_copies, opens):
    # Each would cost half a megabyte and some of a second before anything is decoded.
    data = make_media("a.m4a", *SINE).read_bytes()
    at = data.index(b"moov") - 4
    moov = data[at:]
    track = moov.index(b"trak") - 4
    size = int.from_bytes(moov[track : track + 4], "big")
    more = moov[track : track + size] * (n_copies - 1)
    grown = (len(moov) + len(more)).to_bytes(4, "big") + moov[4 : track + size] + more
    path = make_media("b.m4a", *SINE)
    # Sizes of what follows moov would be wrong: FFmpeg writes it last.
    assert int.from_bytes(moov[:4], "big") == len(moov)
    path.write_bytes(data[:at] + grown + moov[track + size :])
    if opens:
        assert probe(path).audio is not None
    else:
        with pytest.raises(MediaError, match="more than 200 streams"):
            probe(path)
