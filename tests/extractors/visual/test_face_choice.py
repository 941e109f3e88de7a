"""The speaking face in clips of two faces whose mouths are known to move or not."""

import subprocess
from dataclasses import dataclass, field

import numpy as np
import pytest

from affect_pipe.extractors.visual.facemesh import FaceMesh
from affect_pipe.extractors.visual.follow import FaceTracks
from affect_pipe.extractors.visual.speaking import speaking_faces
from affect_pipe.extractors.visual.visible import NOT_IN_VIEW
from affect_pipe.pipeline.ffmpeg import ffmpeg_binary
from affect_pipe.pipeline.frames import iter_frames
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio, Media, Utterance

# Three sentences of the sample, as its subtitles time them, on the clock of the clips.
START_S, LENGTH_S = 4.0, 14.0
SENTENCES = ((0.7, 4.5), (4.9, 7.9), (8.5, 13.6))
# The starter checkpoint looks at 6 frames a second, the extractor by default at 10.
RATES = (6.0, 10.0)


@dataclass
class Clip:
    """A video file as a source, at one rate."""

    media: Media
    audio: Audio
    passes: dict = field(default_factory=dict)

    def frames(self, stage):
        if stage.rate_hz not in self.passes:
            frames = iter_frames(self.media, stage.rate_hz)
            self.passes[stage.rate_hz] = stage.analyse(frames, self.media)
        return self.passes[stage.rate_hz]


@pytest.fixture(scope="module")
def make(sample, tmp_path_factory):
    """Build a clip by a filter graph of the sample, smaller: 0 from START_S on, 1 from 20 s on."""
    folder = tmp_path_factory.mktemp("two-faces")
    small, quiet = folder / "small.mp4", [ffmpeg_binary(), "-loglevel", "error", "-y"]
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run(
        [*quiet, "-i", str(sample), "-vf", "scale=240:240", "-crf", "16", *encode, str(small)],
        check=True,
    )
    clips = {}

    def build(graph):
        if graph not in clips:
            path = folder / f"{len(clips)}.mp4"
            command = [*quiet, "-ss", str(START_S), "-i", str(small), "-ss", "20", "-i", str(small)]
            command += ["-filter_complex", graph, "-map", "[v]", "-map", "0:a", "-t", str(LENGTH_S)]
            subprocess.run([*command, *encode, str(path)], check=True)
            media = probe(path)
            clips[graph] = Clip(media, read_audio(media))
        return clips[graph]

    return build


def spoken(*speakers):
    names = speakers or (None,) * len(SENTENCES)
    return [
        Utterance(k, start, end, "words", speaker=name)
        for k, ((start, end), name) in enumerate(zip(SENTENCES, names, strict=True))
    ]


def faces_of(clip, utterances, rate_hz):
    arrays = clip.frames(FaceTracks(rate_hz))
    assert set(arrays["track"]) == {0, 1}
    found = speaking_faces(clip, arrays, utterances, rate_hz=rate_hz)
    return found, [None if face.reason else (face.box[0] + face.box[2]) / 2 for face in found.seen]


# A frozen frame of the face itself, mirrored: its mouth is still.
STILL = "trim=end_frame=1,loop=-1:1,setpts=N/25/TB,hflip"
ONE_MOUTH = {
    "moving left": f"[0:v]split[a][b];[b]{STILL}[s];[a][s]hstack[v]",
    "moving right": f"[0:v]split[a][b];[b]{STILL}[s];[s][a]hstack[v]",
    "moving small, left": f"[0:v]split[a][b];[a]scale=120:120,pad=240:240:60:60:gray[m];"
    f"[b]{STILL}[s];[m][s]hstack[v]",
    "moving small, right": f"[0:v]split[a][b];[a]scale=120:120,pad=240:240:60:60:gray[m];"
    f"[b]{STILL}[s];[s][m]hstack[v]",
}


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("name", ONE_MOUTH)
def test_the_only_mouth_that_moves_is_chosen(make, name, rate_hz):
    found, middles = faces_of(make(ONE_MOUTH[name]), spoken(), rate_hz)
    for face, middle in zip(found.seen, middles, strict=True):
        assert (middle < 0.5) == name.endswith("left")
        assert face.confidence > 0.9
        assert face.n_faces == 2
    assert found.quality["face_of_speaker"].tolist() == [0, 0, 0]


# Both mouths speak, one of them other sentences than are heard, or the same ones backwards.
TWO_MOUTHS = {
    "heard left": "[1:v]hflip[o];[0:v][o]hstack[v]",
    "heard right": "[1:v]hflip[o];[o][0:v]hstack[v]",
    "heard left, other backwards": "[0:v]split[a][b];[b]trim=end=14,reverse,hflip[o];"
    "[a][o]hstack[v]",
}


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("name", TWO_MOUTHS)
def test_of_two_mouths_the_one_that_follows_the_voice_is_chosen(make, name, rate_hz):
    found, middles = faces_of(make(TWO_MOUTHS[name]), spoken(), rate_hz)
    assert [middle < 0.5 for middle in middles] == ["left" in name] * len(SENTENCES)
    assert min(face.confidence for face in found.seen) > 0.5


def test_the_feature_describes_the_chosen_face(make):
    block = FaceMesh(rate_hz=6.0).extract(make(ONE_MOUTH["moving right"]), spoken())
    assert block.present.all()
    assert (block.quality["face_x0"] > 0.5).all()
    assert (block.quality["face_x1"] <= 1.0).all()
    assert (block.quality["face_y0"] < block.quality["face_y1"]).all()
    assert len(set(block.quality["face_track"])) == 1
    # The frozen mouth would not open.
    opening = block.values[:, block.spec.columns.index("AU25_std")]
    assert (opening > 0.05).all()


def test_a_listener_is_not_taken_for_the_speaker(make):
    """The left face speaks; of the second sentence, the transcript says, somebody else's."""
    left = make(ONE_MOUTH["moving left"])
    # Sentences one and three move the left mouth; the clip's second is made still for this.
    hushed = (
        "[0:v]split=3[a][b][c];[b]trim=end_frame=1,loop=-1:1,setpts=N/25/TB[f];"
        "[a][f]overlay=enable='between(t,4.7,8.2)'[m];"
        f"[c]{STILL}[s];[m][s]hstack[v]"
    )
    clip = make(hushed)
    found, middles = faces_of(clip, spoken("A", "B", "A"), 10.0)
    assert found.reasons == (None, NOT_IN_VIEW, None)
    assert middles[0] < 0.5
    assert middles[2] < 0.5
    assert found.quality["face_of_speaker"][[0, 2]].tolist() == [1, 1]
    assert set(found.cast.parts) == {"A"}
    assert found.cast.parts["A"].confidence > 0.6
    # With one speaker, or none named, somebody is always chosen.
    for speakers in ((), ("A", "A", "A")):
        assert faces_of(left, spoken(*speakers), 10.0)[0].present.all()


def test_each_speaker_has_a_face(make):
    """The left mouth moves in the first and third sentence, the right one in the second."""
    still = "trim=end_frame=1,loop=-1:1,setpts=N/25/TB"
    turns = (
        f"[0:v]split=4[a][b][c][d];[b]{still}[f];[a][f]overlay=enable='between(t,4.7,8.2)'[l];"
        f"[d]{still},hflip[g];[c]hflip[e];"
        "[g][e]overlay=enable='between(t,4.7,8.2)'[r];[l][r]hstack[v]"
    )
    clip = make(turns)
    for rate_hz in RATES:
        found, middles = faces_of(clip, spoken("A", "B", "A"), rate_hz)
        assert [middle < 0.5 for middle in middles] == [True, False, True]
        assert np.all(found.quality["face_of_speaker"] == 1)
        assert np.all(found.quality["speaker_confidence"] > 0.5)
