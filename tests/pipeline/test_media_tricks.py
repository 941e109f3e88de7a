"""Files made to open other files or to reach the network: both stay untouched.

A canary lies beside each trick, watched through inotify, and a listener waits on this machine's own
address. Controls show that the tricks work on FFmpeg where nothing stops them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import pytest

from affect_pipe.pipeline.container import MediaLimits, open_container
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.media import iter_frames, probe, read_audio

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches files through inotify")

SINE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1")
PICTURE = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1")
_OPENED, _NONBLOCKING = 0x20, 0o4000


class Watched:
    """Whether anybody opened a file since the last question."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(_NONBLOCKING)
        assert library.inotify_add_watch(self._descriptor, os.fsencode(path), _OPENED) >= 0

    def opened(self) -> bool:
        try:
            return bool(os.read(self._descriptor, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._descriptor)


class Listener:
    """A server on this machine that counts who connects, and hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.n_connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.n_connections += 1
            connection.close()

    def close(self) -> None:
        # Closing alone would not wake the thread.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture(scope="module")
def canary_bytes(ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("canary") / "canary.ts"
    ffmpeg(*PICTURE, *SINE, path)
    return path.read_bytes()


@pytest.fixture
def canary(canary_bytes: bytes, tmp_path: Path, monkeypatch) -> Iterator[Watched]:
    """``canary.ts`` in the current folder, and under the names that patterns would find."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary.ts").write_bytes(canary_bytes)
    watched = Watched(tmp_path / "canary.ts")
    for other in ("talk1.ts", "talk001.png", "talk.sub"):
        os.link(tmp_path / "canary.ts", tmp_path / other)
    with contextlib.closing(watched):
        yield watched


@pytest.fixture
def listener() -> Iterator[Listener]:
    with contextlib.closing(Listener()) as made:
        yield made


def hls(*lines: str) -> str:
    return "\n".join(("#EXTM3U", "#EXT-X-TARGETDURATION:1", *lines, "#EXT-X-ENDLIST", ""))


# Each names the canary in the current folder and the listener at PORT.
TRICKS = {
    "talk.m3u8": hls("#EXTINF:1.0,", "canary.ts", "#EXTINF:1.0,", "http://127.0.0.1:PORT/a.ts"),
    "key.m3u8": hls(
        '#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:PORT/k"', "#EXTINF:1,", "canary.ts"
    ),
    "map.m3u8": hls('#EXT-X-MAP:URI="file:canary.ts"', "#EXTINF:1,", "concat:canary.ts|canary.ts"),
    "master.m3u8": hls("#EXT-X-STREAM-INF:BANDWIDTH=1", "http://127.0.0.1:PORT/low.m3u8"),
    "talk.m3u": "http://127.0.0.1:PORT/a.ts\ncanary.ts\n",
    "talk.pls": "[playlist]\nFile1=http://127.0.0.1:PORT/a.ts\nFile2=canary.ts\nNumberOfEntries=2\n",
    "talk.asx": '<asx version="3"><entry><ref href="http://127.0.0.1:PORT/a"/></entry></asx>',
    "talk.ffconcat": "ffconcat version 1.0\nfile canary.ts\nfile 'http://127.0.0.1:PORT/a.ts'\n",
    "talk.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio PORT RTP/AVP 0\n",
    "talk.mpd": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><BaseURL>http://127.0.0.1:PORT/</BaseURL><Period>'
        '<AdaptationSet mimeType="video/mp2t"><Representation id="a" bandwidth="1">'
        "<BaseURL>canary.ts</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ),
    "talk.svg": (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<image xlink:href="http://127.0.0.1:PORT/a.png"/><image xlink:href="canary.ts"/></svg>'
    ),
    "talk.ass": "[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: canary.ts\n[Events]\n"
    "Dialogue: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,{\\fnhttp://127.0.0.1:PORT/f}hello\n",
    "talk.idx": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n"
    "timestamp: 00:00:00:000, filepos: 000000000\n",
    "talk.lavfi": "movie=canary.ts",
    "talk.avs": 'DirectShowSource("canary.ts")\n',
    "talk.smil": '<smil><body><video src="http://127.0.0.1:PORT/a"/></body></smil>',
    "talk.ismc": '<?xml version="1.0"?><SmoothStreamingMedia Url="http://127.0.0.1:PORT/"/>',
    "talk.url": "[InternetShortcut]\nURL=http://127.0.0.1:PORT/a.ts\n",
    "talk.txt": "rtsp://127.0.0.1:PORT/a\n",
}


@pytest.mark.parametrize("name", TRICKS)
def test_what_names_other_places_is_refused(
    name: str, canary: Watched, listener: Listener, tmp_path: Path
) -> None:
    text = TRICKS[name].replace("PORT", str(listener.port))
    for suffix in (Path(name).suffix, ".mp4", ".ts"):
        path = tmp_path / f"trick{suffix}"
        path.write_text(text)
        with pytest.raises(MediaError, match="give "):
            probe(path)
    assert not canary.opened()
    assert listener.n_connections == 0


def test_the_canary_and_the_listener_notice(
    canary: Watched, listener: Listener, tmp_path: Path
) -> None:
    # Otherwise the tests around this one would prove nothing.
    address = f"http://127.0.0.1:{listener.port}/a.ts"
    for name, text, noticed in (
        ("talk.ffconcat", "ffconcat version 1.0\nfile canary.ts\n", canary.opened),
        ("talk.m3u8", hls("#EXTINF:1.0,", address), lambda: listener.n_connections > 0),
    ):
        path = tmp_path / name
        path.write_text(text)
        # Of itself, FFmpeg lets a local playlist reach local files only.
        options = {"protocol_whitelist": "file,http,tcp"}
        with (
            contextlib.suppress(av.error.FFmpegError, OSError),
            av.open(str(path), container_options=options) as container,
        ):
            next(container.decode(video=0))
        assert noticed(), name


@pytest.mark.parametrize("demuxers", ["hls,mpegts", "concat,mpegts", "sdp", "dash,mpegts"])
def test_a_demuxer_that_follows_references_gets_nowhere(
    demuxers: str, canary: Watched, listener: Listener, tmp_path: Path, monkeypatch
) -> None:
    # As if a recording's demuxer had learnt to: the second wall, behind the list of formats.
    monkeypatch.setattr("affect_pipe.pipeline.container.DEMUXERS", tuple(demuxers.split(",")))
    suffix = {"hls": "m3u8", "concat": "ffconcat", "sdp": "sdp", "dash": "mpd"}
    path = tmp_path / f"talk.{suffix[demuxers.split(',')[0]]}"
    path.write_text(TRICKS[path.name].replace("PORT", str(listener.port)))
    with (
        pytest.raises((MediaError, av.error.FFmpegError)),
        open_container(path, MediaLimits()) as container,
    ):
        next(container.decode())
    assert not canary.opened()
    assert listener.n_connections == 0


# References inside real recordings


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += size
    return found


def with_data_reference(data: bytes, entry: bytes) -> bytes:
    """Say that the tracks of an MP4 file, whose moov comes last, lie elsewhere."""
    inner = (b"moov", b"trak", b"mdia", b"minf", b"dinf")
    return b"".join(
        box(name, with_data_reference(content, entry))
        if name in inner
        else box(name, struct.pack(">II", 0, 1) + entry if name == b"dref" else content)
        for name, content in boxes(data)
    )


def alias_record(path: str) -> bytes:
    """Return what QuickTime stores of a file on a Mac's disk, as far as FFmpeg reads it."""
    name = path.rpartition("/")[2].encode()
    record = struct.pack(">4sHHH", b"\0" * 4, 150, 2, 0)
    record += bytes([4]) + b"disk".ljust(27, b"\0") + b"\0" * 4 + b"H+" + b"\0\0" + b"\0" * 4
    record += bytes([len(name)]) + name.ljust(63, b"\0") + b"\0" * 16
    record += struct.pack(">hh", 1, 1) + b"\0" * 16
    for kind, text in ((2, path.encode()), (18, path.encode()), (0, b"folder")):
        record += struct.pack(">hH", kind, len(text)) + text + b"\0" * (len(text) % 2)
    return record + struct.pack(">hH", -1, 0)


@pytest.mark.parametrize("kind", ["file", "http", "alias", "relative"])
def test_tracks_that_lie_in_another_file_are_not_fetched(
    kind: str, canary: Watched, listener: Listener, make_media, tmp_path: Path
) -> None:
    good = make_media("good.mov", *PICTURE, *SINE).read_bytes()
    entry = {
        "file": box(b"url ", b"\0\0\0\0" + f"file://{tmp_path}/canary.ts\0".encode()),
        "relative": box(b"url ", b"\0\0\0\0canary.ts\0"),
        "http": box(b"url ", b"\0\0\0\0" + f"http://127.0.0.1:{listener.port}/a.mov\0".encode()),
        "alias": box(b"alis", b"\0\0\0\0" + alias_record(f"{tmp_path}/canary.ts")),
    }[kind]
    path = tmp_path / "talk.mov"
    path.write_bytes(with_data_reference(good, entry))
    if kind == "alias":
        # The control: FFmpeg understands this one, where it is allowed to.
        with contextlib.suppress(av.error.FFmpegError, StopIteration):
            options = {"enable_drefs": "1", "use_absolute_path": "1"}
            with av.open(str(path), container_options=options) as container:
                next(container.decode(video=0))
        assert canary.opened()
    with contextlib.suppress(MediaError):
        media = probe(path)
        assert media.video is not None
        list(iter_frames(media, 10))
        read_audio(media)
    assert not canary.opened()
    assert listener.n_connections == 0


def test_a_quicktime_reference_movie_is_refused(
    canary: Watched, listener: Listener, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{listener.port}/a.mov\0".encode()
    reference = box(b"rdrf", b"\0\0\0\0url " + struct.pack(">I", len(address)) + address)
    movie = box(b"moov", box(b"rmra", box(b"rmda", reference)))
    path = tmp_path / "talk.mov"
    path.write_bytes(box(b"ftyp", b"qt  \0\0\0\0qt  ") + movie)
    with pytest.raises(MediaError):
        probe(path)
    assert listener.n_connections == 0


def test_attachments_stay_in_the_file(ffmpeg, canary: Watched, tmp_path: Path) -> None:
    (tmp_path / "font.ttf").write_bytes(b"not a font")
    folder = tmp_path / "below" / "here"
    folder.mkdir(parents=True)
    path = folder / "talk.mkv"
    ffmpeg(
        *(*PICTURE, *SINE, "-attach", tmp_path / "font.ttf"),
        *("-metadata:s:t:0", "mimetype=font/ttf", "-metadata:s:t:0", "filename=../escaped.ttf"),
        path,
    )
    before = sorted(tmp_path.rglob("*"))
    media = probe(path)
    assert len(list(iter_frames(media, 10))) == 10
    assert read_audio(media).duration_s > 0.9
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["talk%d.ts", "talk%03d.png", "talk*.ts", "concat:a|b", "file:a"])
def test_a_name_is_a_name_and_no_pattern(
    name: str, canary: Watched, canary_bytes: bytes, tmp_path: Path
) -> None:
    # A recording that is really called so is read, and nothing that the pattern would match.
    path = tmp_path / name
    path.write_bytes(canary_bytes)
    assert probe(path).duration_s == pytest.approx(1.0, abs=0.1)
    assert not canary.opened()


def test_a_link_to_a_recording_is_followed(canary_bytes: bytes, tmp_path: Path) -> None:
    (tmp_path / "real.ts").write_bytes(canary_bytes)
    (tmp_path / "talk.ts").symlink_to("real.ts")
    assert probe(tmp_path / "talk.ts").video is not None
