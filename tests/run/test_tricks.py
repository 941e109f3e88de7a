"""Names on the command line that FFmpeg would take for addresses, scripts or patterns."""

from __future__ import annotations

import os
import socket

import pytest

from affect_pipe.cli import main


def test_names_are_files_and_nothing_else(untrained, sample, tmp_path, monkeypatch, capsys):
    (tmp_path / "canary.mp4").symlink_to(sample)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        names = [
            *(f"http://{host}/a.mp4", f"https://{host}/b.mp4", f"rtmp://{host}/c"),
            *(
                f"tcp://{host}/t",
                f"udp://{host}/u?x",
                f"rtsp://{host}/d.mp4",
                f"hls+http://{host}/e.m3u8",
            ),
            *("file:canary.mp4", "file:///canary.mp4", "concat:canary.mp4|canary.mp4"),
            *("subfile,,start,0,end,100,,:canary.mp4", "crypto:canary.mp4", "async:canary.mp4"),
            *("cache:canary.mp4", "data:video/mp4;base64,AAAA", "pipe:0", "-", "fd:0"),
            *("canary%d.mp4", "c*.mp4", "lavfi:testsrc", "movie=canary.mp4", "/dev/zero"),
        ]
        out = tmp_path / "results"
        arguments = ["--", *names]
        code = main(["run", "--model", str(untrained), "--out", str(out), *arguments])
        with pytest.raises(BlockingIOError):
            listener.accept()
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert [line.startswith("affect-pipe: ") for line in lines] == [True] * len(names), lines
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("option", ["--transcript", "--diarisation"])
def test_a_pipe_is_not_waited_for(option, untrained, clip, tmp_path, capsys):
    for suffix in (".srt", ".rttm"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
    pipe = tmp_path / ("pipe.srt" if option == "--transcript" else "pipe.rttm")
    out = ["--out", str(tmp_path / "results"), "--model", str(untrained)]
    assert main(["run", str(clip), option, str(pipe), *out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(pipe) in line
