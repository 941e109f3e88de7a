"""Attention maps as arrays that read back, and as pictures whose pixels say what they should."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from affect_pipe.pipeline.errors import MissingDependencyError, ResultError
from affect_pipe.pipeline.records import Prediction, VideoResult
from affect_pipe.pipeline.results import attention_files
from affect_pipe.pipeline.results.attention_files import (
    MAX_CELLS,
    panel_rows,
    panel_title,
    strongest_of_blocks,
    write_arrays,
    write_attention,
    write_heatmaps,
)

CIM = [
    f"{pair}/{side}"
    for pair in ("text-visual", "acoustic-visual", "text-acoustic")
    for side in ("N1", "N2")
]
ALL_THREE = "text+acoustic+visual-text+acoustic+visual"


def softmax_maps(n: int, names: list[str], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (len(names), n, n))
    weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return dict(zip(names, weights.astype(np.float32), strict=True))


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def count(image, rgb):
    return int((image == rgb).all(axis=-1).sum())


def test_both_files_are_written_and_named(result: VideoResult, tmp_path) -> None:
    written = write_attention(result, tmp_path / "new")
    assert [path.name for path in written] == ["a talk.attention.npz", "a talk.attention.png"]
    assert sorted(tmp_path.joinpath("new").iterdir()) == written


def test_without_maps_nothing_is_written(result: VideoResult, empty: VideoResult, tmp_path) -> None:
    deaf = replace(result, prediction=Prediction(result.prediction.utterances))
    assert write_attention(empty, tmp_path) == write_attention(deaf, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_arrays_read_back_whole(result: VideoResult, tmp_path) -> None:
    maps = softmax_maps(3, CIM)
    several = replace(result, prediction=replace(result.prediction, attention=maps))
    write_arrays(several, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert set(read.files) == {"start_s", "end_s", *maps}
        for name, weights in maps.items():
            assert read[name].dtype == np.float32
            np.testing.assert_array_equal(read[name], weights)
        assert read["start_s"].tolist() == [0.5, 61.25, 3700.0]
        assert read["end_s"].tolist() == [2.0, 64.0004, 3702.0]


def test_the_same_maps_give_the_same_bytes(result: VideoResult, tmp_path) -> None:
    for folder in ("one", "two"):
        write_attention(result, tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (CIM, [CIM[:2], CIM[2:4], CIM[4:]]),
        (["text-visual/N", "text-acoustic/N"], [["text-visual/N"], ["text-acoustic/N"]]),
        (["text-text/N1"], [["text-text/N1"]]),
        (
            [f"{ALL_THREE}/layer{i}" for i in range(1, 7)],
            [
                [f"{ALL_THREE}/layer{i}" for i in (1, 2, 3, 4)],
                [f"{ALL_THREE}/layer{i}" for i in (5, 6)],
            ],
        ),
    ],
    ids=["cim", "cia", "one modality", "deep"],
)
def test_maps_of_the_same_modalities_stand_side_by_side(names, expected) -> None:
    assert panel_rows(names) == expected


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("text-visual/N1", "text attends to visual\n(N1)"),
        ("text-visual/N2", "visual attends to text\n(N2)"),
        ("text-acoustic/N", "text-acoustic\n(N)"),
        ("visual-visual/N1", "visual\n(N1)"),
        (f"{ALL_THREE}/layer2", "text+acoustic+visual\n(layer2)"),
        ("acoustic-acoustic/self1", "acoustic\n(self1)"),
    ],
)
def test_a_panel_says_who_attends_to_whom(name, title) -> None:
    assert panel_title(name) == title


def test_a_block_keeps_its_strongest_weight() -> None:
    weights = np.zeros((5, 5), np.float32)
    weights[0, 1], weights[1, 1], weights[3, 4], weights[4, 0] = 0.5, 0.25, 0.75, 1.0
    np.testing.assert_array_equal(strongest_of_blocks(weights, 1), weights)
    np.testing.assert_array_equal(
        strongest_of_blocks(weights, 2), [[0.5, 0, 0], [0, 0, 0.75], [1.0, 0, 0]]
    )


def test_row_i_column_j_is_the_dark_cell(tmp_path) -> None:
    """One weight of a map: the dark square stands right of the middle column, above the middle."""
    weights = np.full((5, 5), 1e-3, np.float32)
    weights[0, 3] = 1.0
    write_heatmaps({"text-visual/N1": weights}, tmp_path / "one.png")
    image = pixels(tmp_path / "one.png")
    darkest = (8, 48, 107)  # the end of ColorBrewer's "Blues"
    rows, columns = np.nonzero((image == darkest).all(axis=-1))
    # The colour bar has a line of that colour too, far right: the cell is what is left of it.
    left = columns < 0.7 * image.shape[1]
    assert left.sum() > 100
    light = (247, 251, 255)  # its beginning; a thousandth is no darker
    cells = np.argwhere((image == light).all(axis=-1))
    cells = cells[cells[:, 1] < 0.8 * image.shape[1]]
    (top, start), (bottom, end) = cells.min(axis=0), cells.max(axis=0)
    place = (
        (rows[left].mean() - top) / (bottom - top),
        (columns[left].mean() - start) / (end - start),
    )
    assert place == pytest.approx((0.1, 0.7), abs=0.05)  # middles of row 0, column 3; cells are 0.2


def test_utterances_that_attend_to_nothing_are_grey(tmp_path) -> None:
    grey = (204, 204, 204)  # 0.8
    weights = np.eye(4, dtype=np.float32)
    write_heatmaps({"text-visual/N1": weights}, tmp_path / "all.png")
    assert count(pixels(tmp_path / "all.png"), grey) < 100  # edges of letters
    weights[2] = 0
    write_heatmaps({"text-visual/N1": weights}, tmp_path / "gap.png")
    one_row = count(pixels(tmp_path / "gap.png"), grey)
    assert one_row > 1000
    write_heatmaps({"text-visual/N1": np.zeros((4, 4), np.float32)}, tmp_path / "none.png")
    assert count(pixels(tmp_path / "none.png"), grey) > 3 * one_row


@pytest.mark.parametrize("n", [1, 2, MAX_CELLS, MAX_CELLS + 1, 2000])
def test_the_picture_has_a_size_to_look_at(tmp_path, n) -> None:
    write_heatmaps(softmax_maps(n, CIM[:2]), tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        assert 200 < image.height <= 900
        assert 400 < image.width <= 1800


def test_one_strong_weight_of_a_long_video_is_seen(tmp_path) -> None:
    weights = np.full((1500, 1500), 1e-4, np.float32)
    weights[700, 3] = 1.0
    write_heatmaps({"text-visual/N1": weights}, tmp_path / "long.png")
    image = pixels(tmp_path / "long.png")
    _, columns = np.nonzero((image == (8, 48, 107)).all(axis=-1))
    assert (columns < image.shape[1] // 4).sum() >= 9


def test_a_folder_that_cannot_be_written_to(result: VideoResult, tmp_path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ResultError, match=r"taken.*cannot be written"):
        write_attention(result, tmp_path / "taken")


def test_a_picture_that_fails_leaves_the_older_one(tmp_path, monkeypatch) -> None:
    path = tmp_path / "map.png"
    write_heatmaps({"text-visual/N1": np.eye(2, dtype=np.float32)}, path)
    before = path.read_bytes()

    def full(self, file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(ResultError, match="No space left"):
        write_heatmaps({"text-visual/N1": np.ones((2, 2), np.float32)}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_without_matplotlib_one_sentence_says_what_to_type(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "affect-pipe\[train\]"'):
        attention_files.check_drawing()


def test_a_picture_is_a_png(tmp_path) -> None:
    write_heatmaps(softmax_maps(3, CIM), tmp_path / "map")
    data = (tmp_path / "map").read_bytes()
    assert Image.open(BytesIO(data)).format == "PNG"
    assert b"matplotlib" not in data
