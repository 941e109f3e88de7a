"""Several people: each is one track, through crowds, cuts and absences."""

import subprocess

import numpy as np
import pytest

from affect_pipe.extractors.visual.follow import FaceTracks
from affect_pipe.extractors.visual.mesh import TILE_PX, tiles
from affect_pipe.pipeline.ffmpeg import ffmpeg_binary
from affect_pipe.pipeline.frames import iter_frames
from affect_pipe.pipeline.media import probe

SIX = (
    "videoretalking_face1",
    "videoretalking_face2",
    "videoretalking_face3",
    "videoretalking_face5",
    "sadtalker_WDA_KatieHill",
    "liveportrait_d3",
)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Make a clip by a filter graph of some files, and follow its faces."""
    folder = tmp_path_factory.mktemp("people")

    def follow(inputs, graph, seconds, rate_hz=10.0):
        path = folder / f"{len(list(folder.iterdir()))}.mp4"
        command = [ffmpeg_binary(), "-loglevel", "error", "-y"]
        for name in inputs:
            command += ["-loop", "1"] if name.suffix == ".jpg" else []
            command += ["-i", str(name)]
        command += ["-filter_complex", f"{graph}[v]", "-map", "[v]", "-t", str(seconds), "-r", "25"]
        encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
        subprocess.run([*command, *encode, str(path)], check=True)
        media = probe(path)
        return FaceTracks(rate_hz).analyse(iter_frames(media, rate_hz), media)

    return follow


@pytest.mark.parametrize(
    "place",
    [
        "scale=1000:-2",
        "scale=320:-2",
        # Far away in an HD picture: eyes 31 pixels apart, where the whole frame shows no face.
        "scale=480:-2,pad=1920:1080:900:300:gray",
        # The camera moves in.
        "zoompan=z='min(zoom+0.01,1.25)':x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':d=50:s=1000x666",
    ],
)
def test_five_people_in_a_group_photo(media_dir, followed, place):
    arrays = followed([media_dir / "pyfeat_multi_face.jpg"], f"[0]{place}", 1.5)
    assert np.bincount(arrays["track"]).tolist() == [15] * 5


def test_six_people_side_by_side(media_dir, followed):
    fill = "fps=25,scale=320:320:force_original_aspect_ratio=increase,crop=320:320"
    parts = "".join(f"[{k}]{fill}[p{k}];" for k in range(6))
    graph = f"{parts}[p0][p1][p2]hstack=3[x];[p3][p4][p5]hstack=3[y];[x][y]vstack"
    arrays = followed([media_dir / f"{name}.mp4" for name in SIX], graph, 4.0)
    assert np.bincount(arrays["track"]).tolist() == [40] * 6
    # Each stays where its picture is.
    columns = ((arrays["box"][:, 0] + arrays["box"][:, 2]) / 2 * 3).astype(int)
    rows = ((arrays["box"][:, 1] + arrays["box"][:, 3]) / 2 * 2).astype(int)
    for track in range(6):
        own = arrays["track"] == track
        assert len(set(zip(columns[own], rows[own], strict=True))) == 1


@pytest.mark.parametrize("light", ["null", "lutyuv=y=16+(val-16)/4"])
def test_cuts_between_two_people_and_back(media_dir, followed, light):
    a, b = (media_dir / f"{name}.mp4" for name in (SIX[2], SIX[4]))
    graph = (
        f"[0]fps=25,scale=480:480,{light},split[a][c];[1]fps=25,scale=480:480,{light},split[b][d];"
        "[a]trim=0:1.6,setpts=PTS-STARTPTS[p];[b]trim=0:1.6,setpts=PTS-STARTPTS[q];"
        "[c]trim=1.6:3.2,setpts=PTS-STARTPTS[r];[d]trim=1.6:3.2,setpts=PTS-STARTPTS[s];"
        "[p][q][r][s]concat=n=4"
    )
    arrays = followed([a, b], graph, 6.4)
    assert set(arrays["track"]) == {0, 1}
    shot = ((arrays["time_s"] + 0.01) / 1.6).astype(int)
    np.testing.assert_array_equal(arrays["track"], shot % 2)
    assert len(shot) >= 62


def test_a_face_that_was_away_is_the_same_face(sample, followed):
    away = "[0]drawbox=enable='between(t,2,4)':color=gray:t=fill"
    arrays = followed([sample], away, 6.0)
    assert set(arrays["track"]) == {0}
    assert len(arrays["track"]) < 45


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (1280, 720), (3840, 2160), (769, 10)])
def test_small_faces_are_whole_in_some_part(size):
    parts = tiles(*size)
    assert min(min(part) for part in parts) == 0
    side = max(TILE_PX, 0.4 * max(size))
    reach = side / 4 - 2
    for x in np.linspace(0, size[0] - reach, 23):
        for y in np.linspace(0, max(size[1] - reach, 0), 23):
            assert any(
                x0 <= x and y0 <= y and x + reach <= x1 and (y + reach <= y1 or y1 == size[1])
                for x0, y0, x1, y1 in parts
            ), (x, y)
    assert all(x1 <= size[0] and y1 <= size[1] for _, _, x1, y1 in parts)
    assert tiles(768, 700) == []
