"""The overlay from the command line: a real face in its box, files without a picture."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from affect_pipe.cli import main
from affect_pipe.pipeline.overlay import colours


def overlay(media, model, tmp_path, *more):
    out = tmp_path / "out"
    code = main(["run", str(media), "--overlay", "--model", str(model), "--out", str(out), *more])
    assert code == 0
    return out / f"{media.stem}.overlay.mp4"


def frames(path):
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.time, frame.to_ndarray(format="rgb24")


def test_the_box_holds_the_face_that_another_detector_finds(clip, untrained, tmp_path, capsys):
    made = overlay(clip, untrained, tmp_path)
    assert "clip.overlay.mp4" in capsys.readouterr().out.replace("\n", " ")
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    n_compared = 0
    for (time_s, before), (_, after) in zip(frames(clip), frames(made), strict=True):
        if not (1.0 < time_s < 3.5) or round(time_s * 25) % 5:
            continue
        found = detector.detectMultiScale(cv2.cvtColor(before, cv2.COLOR_RGB2GRAY), 1.1, 8)
        assert len(found) == 1
        x, y, width, height = found[0]
        # Its tag stands on the box, inside the box's width.
        yellow = np.abs(after[:480, :480].astype(int) - np.array(colours.SPEAKER)).max(axis=2) < 40
        columns = np.flatnonzero(yellow.sum(axis=0) > 120)
        rows = np.flatnonzero(yellow.sum(axis=1) > 120)
        assert columns[0] < x + width / 2 < columns[-1]
        assert rows[0] < y + height / 2 < rows[-1]
        box = columns[0], rows[0], columns[-1], rows[-1]
        assert overlap(box, (x, y, x + width, y + height)) > 0.5
        n_compared += 1
    assert n_compared >= 10


def overlap(a, b):
    size = [max(min(a[k + 2], b[k + 2]) - max(a[k], b[k]), 0) for k in (0, 1)]
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    shared = size[0] * size[1]
    return shared / (sum(areas) - shared)


def test_a_file_without_a_picture_is_told(make_media, untrained, tmp_path, capsys):
    tone = make_media("tone.wav", "-f", "lavfi", "-i", "sine=duration=2")
    made = overlay(tone, untrained, tmp_path)
    assert "no picture to draw on, so no overlay was written" in capsys.readouterr().err
    assert sorted(p.name for p in made.parent.iterdir()) == ["tone.affect.csv", "tone.affect.json"]


def test_a_video_without_a_face_or_a_word_is_drawn(make_media, untrained, tmp_path):
    silent = make_media(
        "silent.mp4", "-f", "lavfi", "-i", "testsrc2=size=322x182:rate=10:duration=1"
    )
    shown = list(frames(overlay(silent, untrained, tmp_path)))
    assert [time_s for time_s, _ in shown] == pytest.approx([k / 10 for k in range(10)])


def test_the_overlay_never_takes_the_place_of_the_video(sample, untrained, tmp_path, capsys):
    video = tmp_path / "a.overlay.mp4"
    link = tmp_path / "a.mp4"
    video.write_bytes(sample.read_bytes())
    link.hardlink_to(video)
    arguments = ["run", str(link), "--overlay", "--model", str(untrained), "--out", str(tmp_path)]
    assert main(arguments) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert video.read_bytes() == sample.read_bytes()
