"""The datasets of the papers' tables, from files in their published layouts to a trained cell."""

import json

import numpy as np
import pytest

from affect_pipe.fusion.reproduce.cells import fit_on, run_cell
from affect_pipe.fusion.reproduce.plan import make_plan
from affect_pipe.fusion.reproduce.sources import SOURCES, request_of
from affect_pipe.fusion.reproduce.tables import load_table


def write_csd(path, root, entries):
    """Entries of (features, intervals) as CMU-MultimodalSDK writes them."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        data = file.create_group(root).create_group("data")
        for name, (features, intervals) in entries.items():
            entry = data.create_group(name)
            entry.create_dataset("features", data=np.asarray(features, np.float32))
            entry.create_dataset("intervals", data=np.asarray(intervals, float))
        metadata = file[root].create_group("metadata")
        text = metadata.create_dataset("root name", (1,), dtype=h5py.string_dtype())
        text[0] = json.dumps(root)


@pytest.fixture(name="mosi")
def _mosi(tmp_path):
    """Six videos of four utterances, a second each."""
    rng = np.random.default_rng(2)
    videos = [f"vid{n}" for n in range(6)]
    seconds = [[n, n + 1] for n in range(4)]
    folder = tmp_path / "mosi"
    folder.mkdir()
    files = {"TimestampedWordVectors": 5, "COVAREP": 4, "Visual_Facet_41": 3}
    for name, dim in files.items():
        entries = {video: (rng.normal(size=(4, dim)), seconds) for video in videos}
        write_csd(folder / f"CMU_MOSI_{name}.csd", name, entries)
    labels = {video: (rng.uniform(-3, 3, (4, 1)), seconds) for video in videos}
    write_csd(folder / "CMU_MOSI_Opinion_Labels.csd", "Opinion Segment Labels", labels)
    (folder / "cmu_mosi_std_folds.py").write_text(
        f"standard_train_fold = {videos[:3]}\n"
        f"standard_valid_fold = {videos[3:4]}\n"
        f"standard_test_fold = {videos[4:]}\n"
    )
    return tmp_path


def read(data, setup, encode, seed=1):
    reader = SOURCES[setup.source].read
    assert reader is not None
    return reader(data, request_of(setup, seed), encode)


def small(setup, **changes):
    return setup.model_copy(
        update={"settings": {"gru_width": 4, "dense_width": 3}, "epochs": 2, **changes}
    )


def test_cim_table_4_from_computational_sequences(mosi, encode):
    plan = make_plan(load_table("cim-4"), mosi, n_seeds=1)
    assert not plan.absent
    multitask = next(cell.setup for cell in plan.cells if len(cell.setup.tasks) == 2)
    splits = read(mosi, multitask, encode)
    assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [3, 1, 2]
    result = run_cell(small(multitask), 1, splits)
    assert result.ids == ("vid4", "vid5")
    # Two classes: below zero or not.
    intensity = result.targets["sentiment_intensity"][:, 0]
    np.testing.assert_array_equal(result.targets["sentiment_class"][:, 0], intensity >= 0)
    assert result.values["sentiment_class"].shape == (8, 2)
    assert result.best_epoch in (1, 2)


def test_seven_classes_are_asked_of_the_source(mosi, encode):
    plan = make_plan(load_table("cia-1"), mosi, n_seeds=1)
    assert set(plan.absent) == {"mosei", "ict-mmmo", "youtube", "moud"}
    seven = next(cell.setup for cell in plan.cells if cell.setup.tasks[0].classes == 7)
    splits = read(mosi, seven, encode)
    labels = np.concatenate([d.targets["sentiment_class"][:, 0] for d in splits.train])
    intensity = np.concatenate([d.targets["sentiment_intensity"][:, 0] for d in splits.train])
    np.testing.assert_array_equal(labels, np.round(3 * intensity) + 3)


@pytest.fixture(name="muse")
def _muse(tmp_path):
    """Four videos of two segments of six steps; the second VGGish column is the first again."""
    rng = np.random.default_rng(3)
    root = tmp_path / "muse"
    features = {"vggish": 3, "au": 2, "bert-4": 4, "vggface": 3}
    for folder in (*(f"feature_segments/{name}" for name in features), "label_segments/arousal"):
        (root / folder).mkdir(parents=True)
    (root / "label_segments" / "valence").mkdir()
    for video in range(1, 5):
        for name, dim in features.items():
            lines = ["timestamp,segment_id," + ",".join(map(str, range(dim)))]
            for step in range(12):
                values = rng.normal(size=dim)
                values[1] = values[0]
                numbers = ",".join(f"{value:.4f}" for value in values)
                lines.append(f"{250 * step},{1 + step // 6},{numbers}")
            path = root / "feature_segments" / name / f"{video}.csv"
            path.write_text("\n".join(lines) + "\n")
        for dimension in ("arousal", "valence"):
            classes = rng.integers(5, size=2)
            path = root / "label_segments" / dimension / f"{video}.csv"
            path.write_text(f"segment_id,class_id\n1,{classes[0]}\n2,{classes[1]}\n")
    partition = "Id,Proposal\n1,train\n2,train\n3,devel\n4,test\n"
    (root / "partition.csv").write_text(partition)
    return tmp_path


def test_muse_features_side_by_side_and_reduced(muse, encode):
    plan = make_plan(load_table("muse-4"), muse, n_seeds=1)
    setup = next(
        cell.setup for cell in plan.cells if len(cell.setup.features) == 4
        and cell.setup.features[-1].name == "vggface"
    )  # fmt: skip
    splits = read(muse, setup, encode)
    assert splits.columns == {
        "text": (("bert-4", 4),),
        "acoustic": (("vggish", 3),),
        "visual": (("au", 2), ("vggface", 3)),
    }
    dims = fit_on(splits.train, setup, splits.columns).dims
    # A column that is another again is one component less; vggish and au are left as they are.
    assert dims == {"text": 3, "acoustic": 3, "visual": 2 + 2}


def test_muse_components_are_a_table_of_their_own(muse, encode):
    plan = make_plan(load_table("muse-1"), muse, n_seeds=1)
    setup = next(c.setup for c in plan.cells if c.setup.features[0].name == "bert-4")
    result = run_cell(setup, 1, read(muse, setup, encode))
    assert result.facts == {"components": 3.0}


def test_muse_multitask_is_scored_on_validation_by_video(muse, encode):
    plan = make_plan(load_table("muse-5"), muse, n_seeds=1)
    setup = plan.cells[0].setup
    branches = [
        {**branch, "hidden_width": 8, "heads": 2, "layers": 1}
        for branch in setup.settings["branches"]
    ]
    setup = setup.model_copy(update={"settings": {"branches": branches}, "epochs": 1})
    result = run_cell(setup, 1, read(muse, setup, encode))
    assert result.ids == ("3",)
    assert result.values["arousal_class"].shape == (12, 5)
    assert set(result.targets) == {"arousal_class", "valence_class"}
