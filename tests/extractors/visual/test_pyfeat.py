"""The pyfeat feature, through py-feat itself, on networks in its own file formats.

Needs py-feat: ``make test-pyfeat``.
"""

import importlib.util
import os
import pickle
import shutil
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.extractors import registry
from affect_pipe.extractors.visual import pyfeat_models
from affect_pipe.extractors.visual.facet import FACET_COLUMNS
from affect_pipe.extractors.visual.pyfeat import PyFeat
from affect_pipe.extractors.visual.pyfeat_columns import (
    AFFECT_NAMES,
    AU_NAMES,
    EMOTION_NAMES,
    LANDMARK_NAMES,
)
from affect_pipe.extractors.weights.catalogue import CATALOGUE
from affect_pipe.pipeline.errors import MissingDependencyError, MissingWeightsError, UsageError
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.interfaces import Frame
from affect_pipe.pipeline.media import MediaLimits, probe
from affect_pipe.pipeline.records import Audio, Media, Utterance, VideoInfo

INSTALLED = importlib.util.find_spec("feat") is not None
# Where the back end must be there, its absence is a failure.
DEMANDED = os.environ.get("AFFECT_PIPE_TEST_BACKENDS") == "pyfeat"
needs_pyfeat = [
    pytest.mark.backend,
    pytest.mark.skipif(
        not INSTALLED and not DEMANDED, reason="py-feat is not here: make test-pyfeat"
    ),
    # Of its libraries, not ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
WIDTH, HEIGHT = 384, 256
LEFT, RIGHT = (90, 120), (290, 140)
N_FRAMES = 6
MEDIA = Media(Path("a.mp4"), "0" * 32, "mp4", 1.0, None, VideoInfo("h264", WIDTH, HEIGHT, 10.0))


def test_without_pyfeat_the_sentence_names_the_extra():
    if INSTALLED:
        pytest.skip("py-feat is installed")
    with pytest.raises(MissingDependencyError, match=r'pip install "affect-pipe\[pyfeat\]"'):
        PyFeat().spec()


@dataclass
class FakeSource:
    """A video held in memory."""

    images: list[Frame]
    media: Media = field(default_factory=lambda: MEDIA)
    audio: Audio | None = None
    passes: dict = field(default_factory=dict)

    def frames(self, stage):
        key = repr(stage.spec())
        if key not in self.passes:
            self.passes[key] = stage.analyse(iter(self.images), self.media)
        return self.passes[key]


@pytest.fixture(scope="session")
def networks():
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pyfeat_networks
    finally:
        sys.path.pop(0)
    return pyfeat_networks


def _written(write, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(folder)
    return folder


@pytest.fixture(scope="session")
def store_v2(networks, tmp_path_factory):
    return _written(networks.write_v2, tmp_path_factory.mktemp("v2"))


@pytest.fixture(scope="session")
def store_v1(networks, tmp_path_factory):
    """The networks of Detectorv1: not small, since their shapes are fixed in py-feat."""
    folder = _written(networks.write_v1, tmp_path_factory.mktemp("v1"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def store(store_v2, monkeypatch):
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(store_v2))
    return store_v2


@pytest.fixture
def in_hub_cache(tmp_path, monkeypatch):
    """Lay a store out as py-feat's own cache of the hub, where it looks by itself."""

    def lay_out(store):
        commit = "f" * 40
        for folder in store.glob("py-feat--*"):
            cached = tmp_path / f"models--{folder.name}"
            (cached / "refs").mkdir(parents=True)
            (cached / "refs" / "main").write_text(commit)
            (cached / "snapshots").mkdir()
            (cached / "snapshots" / commit).symlink_to(folder)
        for module in ("feat.utils.io", "feat.detector"):
            monkeypatch.setattr(f"{module}.get_resource_path", lambda: str(tmp_path))

    return lay_out


@pytest.fixture
def damaged(store, tmp_path, monkeypatch):
    """A copy of the store to spoil: returns the multitask checkpoint in it."""
    folder = tmp_path / "models"
    shutil.copytree(store, folder)
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(folder))
    return folder / "py-feat--face_multitask_v2" / "face_multitask_v28.safetensors"


@pytest.fixture
def two_people(networks):
    """Half a second of two faces, the left one gone for a frame."""
    spots = [(LEFT, RIGHT), (LEFT, RIGHT), (RIGHT,), *[(LEFT, RIGHT)] * 3]
    scenes = [networks.scene((WIDTH, HEIGHT), seen, seed=k) for k, seen in enumerate(spots)]
    return FakeSource([Frame(k / 10, image) for k, image in enumerate(scenes)])


def arrays_of(source, **settings):
    return PyFeat(**settings).frame_stage().analyse(iter(source.images), source.media)


def detected(detector, source):
    """What py-feat makes of the frames, told nothing of ours."""
    import torch

    torch.set_grad_enabled(True)
    pixels = np.stack([frame.image for frame in source.images]).transpose(0, 3, 1, 2)
    table = detector.detect(
        torch.from_numpy(pixels), data_type="tensor", batch_size=2, progress_bar=False
    )
    return table[table["FaceRectX"].notna()]


class TestDetectorV2:
    pytestmark = needs_pyfeat

    def test_faces_are_where_they_are_and_tracked_apart(self, store, two_people):
        arrays = arrays_of(two_people)
        assert len(arrays["frame_time_s"]) == N_FRAMES
        centre = (arrays["box"][:, :2] + arrays["box"][:, 2:]) / 2 * (WIDTH, HEIGHT)
        left = arrays["track"] == arrays["track"][np.argmin(centre[:, 0])]
        assert (left.sum(), (~left).sum()) == (N_FRAMES - 1, N_FRAMES)
        # Anchors are 16 pixels apart.
        assert np.abs(centre[left] - LEFT).max() <= 16
        assert np.abs(centre[~left] - RIGHT).max() <= 16

    def test_numbers_are_those_of_pyfeats_own_detect(self, store, two_people, in_hub_cache):
        """Its entry point for whole recordings, with its own way to its files."""
        import feat

        in_hub_cache(store)
        weights = store / "py-feat--face_multitask_v2" / "face_multitask_v28.safetensors"
        detector = feat.Detectorv2("cpu", identity_model=None, multitask_weights=str(weights))
        expected = detected(detector, two_people)
        arrays = arrays_of(two_people)
        for name in ("au", "affect", "landmarks"):
            columns = {"au": AU_NAMES, "affect": AFFECT_NAMES, "landmarks": LANDMARK_NAMES}[name]
            np.testing.assert_allclose(
                arrays[name], expected[list(columns)].to_numpy(np.float32), rtol=1e-5, atol=1e-5
            )
        np.testing.assert_allclose(arrays["emotion"][:, 3], expected["Happy"], rtol=1e-5)
        np.testing.assert_allclose(arrays["emotion"].sum(axis=1), 1.0, rtol=1e-5)
        np.testing.assert_allclose(np.deg2rad(arrays["pose"][:, 1]), expected["Pitch"], rtol=1e-4)
        np.testing.assert_allclose(
            np.deg2rad(arrays["gaze"]), expected[["gaze_yaw", "gaze_pitch"]], rtol=1e-4
        )
        np.testing.assert_allclose(
            arrays["blendshape"][:, 25], expected["jawOpen"].to_numpy(), rtol=1e-5
        )

    def test_the_same_frames_give_the_same_bytes(self, store, two_people):
        first, second = arrays_of(two_people), arrays_of(two_people)
        one_by_one = arrays_of(two_people, batch=1)
        for name, array in first.items():
            np.testing.assert_array_equal(second[name], array)
            np.testing.assert_allclose(one_by_one[name], array, rtol=1e-3, atol=1e-4)

    def test_large_frames_are_described_as_small_ones(self, store, networks, two_people):
        spots = [(LEFT, RIGHT), (LEFT, RIGHT), (RIGHT,), *[(LEFT, RIGHT)] * 3]
        large = [
            Frame(k / 10, networks.scene((WIDTH, HEIGHT), seen, seed=k, scale=3))
            for k, seen in enumerate(spots)
        ]
        arrays = arrays_of(FakeSource(large), max_side_px=WIDTH)
        small = arrays_of(two_people)
        for name in ("box", "au", "emotion", "mouth"):
            np.testing.assert_allclose(arrays[name], small[name], rtol=1e-4, atol=1e-5)
        for name in ("landmarks", "size"):
            np.testing.assert_allclose(arrays[name], 3 * small[name], rtol=1e-4)

    def test_most_faces_are_the_largest(self, store, two_people):
        assert np.bincount(arrays_of(two_people, max_faces=1)["track"]).sum() == N_FRAMES

    def test_nobody_is_said_so(self, store, networks):
        empty = FakeSource([Frame(k / 10, networks.scene((64, 64), ())) for k in range(4)])
        block = PyFeat().extract(empty, [Utterance(0, 0.0, 0.4, "words")])
        assert block.reasons == ("no face found in the video",)
        stage = PyFeat().frame_stage()
        assert stage.problem(empty.frames(stage)) == "no face found in the video"
        assert PyFeat().frame_table(empty, ()).values.shape[0] == 0

    def test_vectors_are_functionals_of_the_speaking_face(self, store, two_people):
        extractor = PyFeat()
        utterances = [Utterance(0, 0.0, 0.6, "words"), Utterance(1, 5.0, 6.0, "later")]
        block = extractor.extract(two_people, utterances)
        assert list(block.present) == [True, False]
        table = extractor.frame_table(two_people, utterances)
        own = [k for k, spoken in enumerate(table.labels["utterance"]) if spoken == 0]
        assert len({table.labels["track"][k] for k in own}) == 1
        assert block.quality["n_faces"][0] == 2
        assert block.quality["face_coverage"][0] == pytest.approx(len(own) / N_FRAMES)
        frames = table.values[own][:, table.columns.index("AU12")].astype(np.float64)
        for kind, value in (("mean", frames.mean()), ("std", frames.std()), ("max", frames.max())):
            column = block.spec.columns.index(f"AU12_{kind}")
            assert block.values[0, column] == pytest.approx(value, rel=1e-5)

    def test_frame_tables_are_in_pixels_of_the_video(self, store, two_people):
        table = PyFeat().frame_table(two_people, ())
        assert len(table.units) == len(table.columns) == table.values.shape[1]
        box = table.values[:, :4]
        np.testing.assert_allclose(box[:, 2] - box[:, 0], 128, atol=1e-2)
        eyes = table.values[:, [table.columns.index("x_36"), table.columns.index("x_45")]]
        assert (box[:, 0] < eyes[:, 0]).all()
        assert (eyes[:, 0] < eyes[:, 1]).all()
        assert (eyes[:, 1] < box[:, 2]).all()
        assert set(table.labels["utterance"]) == {None}

    def test_facets_columns_say_what_they_are(self, store, two_people):
        extractor = PyFeat(layout="facet35")
        block = extractor.extract(two_people, [Utterance(0, 0.0, 0.6, "words")])
        table = extractor.frame_table(two_people, [Utterance(0, 0.0, 0.6, "words")])
        assert block.spec.columns == table.columns == FACET_COLUMNS
        own = [k for k, spoken in enumerate(table.labels["utterance"]) if spoken == 0]
        np.testing.assert_allclose(block.values[0], table.values[own].mean(axis=0), atol=1e-5)
        assert "AU18" in block.spec.settings["absent"]
        stage = extractor.frame_stage()
        assert "under the names of FACET 4.2" in stage.problem(two_people.frames(stage))
        # One pass over the frames serves both layouts.
        assert stage.spec() == PyFeat().frame_stage().spec()

    @pytest.mark.parametrize("settings", [{}, {"layout": "facet35"}, {"groups": ["blendshape"]}])
    def test_a_contract_builds_its_extractor_again(self, store, settings):
        spec = PyFeat(**settings, max_side_px=1280, batch=3).spec()
        assert registry.build(spec.name, spec.settings).spec() == spec

    def test_a_real_video_in_a_process_of_its_own(self, store, networks, make_media, tmp_path):
        """The way of every run: the child finds the store, and the parent keeps its torch."""
        import torch
        from PIL import Image

        for k in range(10):
            image = networks.scene((WIDTH, HEIGHT), (LEFT, RIGHT), seed=k)
            Image.fromarray(image).save(tmp_path / f"{k}.png")
        video = make_media(
            *("two.mp4", "-framerate", "10", "-i", tmp_path / "%d.png"),
            *("-pix_fmt", "yuv444p", "-crf", "4"),
        )
        extractor, worker = PyFeat(), FrameProcess()

        class Quiet:
            def progress(self, fraction): ...
            def warn(self, message): ...
            def stopped(self):
                return False

        try:
            arrays = worker(extractor.frame_stage(), probe(video), MediaLimits(), Quiet())
        finally:
            worker.close()
        assert np.bincount(arrays["track"]).tolist() == [10, 10]
        assert torch.is_grad_enabled()

    def test_pyfeat_leaves_gradients_and_the_hub_as_they_were(self, store):
        import huggingface_hub
        import torch

        before = huggingface_hub.hf_hub_download
        pyfeat_models.load_detector("v2", "cpu")
        assert torch.is_grad_enabled()
        assert huggingface_hub.hf_hub_download is before


class TestWeights:
    pytestmark = needs_pyfeat

    @pytest.mark.parametrize("detector", ["v1", "v2"])
    def test_missing_ones_are_named_with_both_ways_to_get_them(
        self, detector, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        with pytest.raises(MissingWeightsError) as caught:
            PyFeat(detector).spec()
        for part in ("model.safetensors", "models pull py-feat/", "models bundle", "models load"):
            assert part in str(caught.value)

    def test_all_are_in_the_catalogue(self):
        for sets in pyfeat_models.WEIGHTS.values():
            assert all(CATALOGUE[weights.name] is weights for weights in sets)

    def test_a_pickle_under_a_good_name_is_not_opened(self, damaged, tmp_path):
        trace = tmp_path / "trace"
        damaged.write_bytes(pickle.dumps(_Trap(str(trace))))
        with pytest.raises(UsageError, match="no multitask checkpoint"):
            pyfeat_models.load_detector("v2", "cpu")
        assert not trace.exists()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"n_au": 24}, "n_au 24"),
            ({"backbone": "hf-hub:somebody/something"}, "hf-hub:somebody"),
            ({"backbone": "local-dir:/etc"}, "local-dir"),
            ({"afg_channels": 64}, "not those py-feat"),
        ],
    )
    def test_other_checkpoints_are_refused(self, damaged, networks, changes, message):
        networks.write_multitask(damaged, **changes)
        with pytest.raises(UsageError, match=message):
            pyfeat_models.load_detector("v2", "cpu")

    def test_a_file_cut_short_is_refused(self, damaged):
        for path in (damaged, *damaged.parent.parent.glob("*retinaface*/*")):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            with pytest.raises(UsageError, match=r"safetensors|retinaface"):
                pyfeat_models.load_detector("v2", "cpu")
            path.write_bytes(whole)

    @pytest.fixture
    def damaged_v1(self, store_v1, tmp_path, monkeypatch):
        folder = tmp_path / "models"
        shutil.copytree(store_v1, folder, copy_function=os.link)
        monkeypatch.setenv("AFFECT_PIPE_MODELS", str(folder))
        return folder

    def test_classifiers_that_could_run_code_are_refused(self, damaged_v1):
        import skops.io
        from sklearn.preprocessing import FunctionTransformer

        path = damaged_v1 / "py-feat--xgb_au" / "xgb_au_classifier_v2.skops"
        path.unlink()
        skops.io.dump(FunctionTransformer(os.system), path)
        with pytest.raises(UsageError, match=r"asks for .*system.* could run code"):
            pyfeat_models.load_detector("v1", "cpu")

    def test_pickles_in_torch_files_are_not_run(self, damaged_v1, tmp_path):
        import torch

        path, trace = damaged_v1 / "py-feat--mobilefacenet", tmp_path / "trace"
        path = path / "mobilefacenet_model_best.pth.tar"
        path.unlink()
        torch.save({"state_dict": _Trap(str(trace))}, path)
        with pytest.raises(UsageError, match="not those py-feat"):
            pyfeat_models.load_detector("v1", "cpu")
        assert not trace.exists()


class _Trap:
    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return Path(self._path).touch, ()


class TestDetectorV1:
    pytestmark = needs_pyfeat

    def test_numbers_are_those_of_pyfeats_own_detect(
        self, store_v1, two_people, in_hub_cache, monkeypatch
    ):
        import feat

        monkeypatch.setenv("AFFECT_PIPE_MODELS", str(store_v1))
        in_hub_cache(store_v1)
        expected = detected(feat.Detectorv1(identity_model=None), two_people)
        arrays = arrays_of(two_people, detector="v1")
        assert np.bincount(arrays["track"]).tolist() == [N_FRAMES, N_FRAMES - 1]
        for name, columns in (
            ("au", AU_NAMES),
            ("emotion", EMOTION_NAMES),
            ("landmarks", LANDMARK_NAMES),
        ):
            np.testing.assert_allclose(
                arrays[name], expected[list(columns)].to_numpy(np.float32), rtol=1e-4, atol=1e-5
            )
        angles = np.deg2rad(np.concatenate([arrays["pose"], arrays["gaze"]], axis=1))
        columns = ["Yaw", "Pitch", "Roll", "gaze_yaw", "gaze_pitch"]
        np.testing.assert_allclose(angles, expected[columns].to_numpy(), rtol=1e-4, atol=1e-5)
        assert "blendshape" not in arrays

    def test_its_contract_builds_it_again(self, store_v1, monkeypatch):
        monkeypatch.setenv("AFFECT_PIPE_MODELS", str(store_v1))
        spec = PyFeat("v1").spec()
        assert registry.build(spec.name, spec.settings).spec() == spec
        assert "xgb_au" in spec.model_id
