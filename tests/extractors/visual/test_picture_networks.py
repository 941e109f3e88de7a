"""VGG-Face over the speaking face's pictures, and Xception over whole frames."""

import numpy as np
import pytest
import torch
from torch import nn

from affect_pipe.api import RunSettings
from affect_pipe.extractors import registry
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.extractors.visual.crops import FaceCrops, face_crop
from affect_pipe.extractors.visual.follow import FaceFollower
from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.describe import Describer
from affect_pipe.pipeline.errors import MissingDependencyError, MissingWeightsError, UsageError
from affect_pipe.pipeline.interfaces import FrameLevel
from affect_pipe.pipeline.media import MediaLimits, iter_frames, probe
from affect_pipe.pipeline.records import Utterance

BLOCKS = (2, 2, 3, 3, 3)
SPANS = ((0.0, 1.5), (1.5, 3.0))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "models"


@pytest.fixture
def vgg_face(store):
    """Small random weights under the published names; only the last map is full-width."""
    generator = torch.Generator().manual_seed(3)
    state, width = {}, 3
    for block, n in enumerate(BLOCKS, 1):
        for k in range(1, n + 1):
            outputs = 512 if (block, k) == (5, 3) else 4
            scale = 1.5 / np.sqrt(9 * width)
            name = f"conv{block}_{k}"
            state[f"{name}.weight"] = scale * torch.randn(outputs, width, 3, 3, generator=generator)
            state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
            width = outputs
    # The published file has these, and they are not needed.
    state["fc6.weight"], state["fc6.bias"] = torch.zeros(2, 2), torch.zeros(2)
    (store / "vggface").mkdir(parents=True)
    torch.save(state, store / "vggface" / "vgg_face_dag.pth")
    return state


def described(path, feature, tmp_path):
    """Describe a video as a run does, with two utterances of 1.5 s."""
    settings = RunSettings()
    describer = Describer(
        recogniser=choose("pocketsphinx", media_path=path),
        detector=SileroVAD(),
        extractors=(feature,),
        cache=Cache(tmp_path / "cache"),
        limits=settings.limits,
    )
    cut = tuple(Utterance(i, a, b, "") for i, (a, b) in enumerate(SPANS))
    return describer(path, lambda source: cut)


def reference(state, pictures):
    x = torch.from_numpy(pictures.astype(np.float32) - np.float32([129.1863, 104.7624, 93.5940]))
    x = x.permute(0, 3, 1, 2)
    for block, n in enumerate(BLOCKS, 1):
        for k in range(1, n + 1):
            weight, bias = state[f"conv{block}_{k}.weight"], state[f"conv{block}_{k}.bias"]
            x = torch.relu(nn.functional.conv2d(x, weight, bias, padding=1))
        x = nn.functional.max_pool2d(x, 2)
    return x.mean((2, 3)).numpy()


def test_vggface_describes_the_pictures_of_the_face(sample, vgg_face, tmp_path):
    feature = registry.build("vggface")
    found = described(sample, feature, tmp_path)
    block = found.features.blocks["visual"]
    table = feature.frame_table(found.source, found.features.utterances)

    follower = FaceFollower(10)
    pictures, times = [], []
    crop = feature.frame_stage()._model.crop
    for number, frame in enumerate(iter_frames(probe(sample), 8.0, limits=MediaLimits())):
        faces = follower.faces_in(frame)
        if number % 2 == 0 and frame.time_s < 3.0:
            times.append(frame.time_s)
            pictures += [face_crop(frame.image, face, crop) for face in faces]
    follower.close()
    expected = reference(vgg_face, np.stack(pictures))

    assert isinstance(feature, FrameLevel)
    assert feature.spec().dim == 512
    assert set(table.labels["track"]) == {0}
    assert table.time_s[: len(times)].tolist() == times
    assert table.values[: len(times)] == pytest.approx(expected, abs=1e-3)
    first = np.array(times) < 1.5
    assert block.present.all()
    assert block.values[0] == pytest.approx(expected[first].mean(0), abs=1e-3)
    assert block.values[1] == pytest.approx(expected[~first].mean(0), abs=1e-3)
    assert block.values[0].max() > 0.1


def test_vggface_says_why_there_is_no_face(vgg_face, tmp_path, make_media):
    blank = make_media(
        "blank.mp4", "-f", "lavfi", "-i", "color=gray:size=160x120:rate=10:duration=3"
    )
    found = described(blank, registry.build("vggface"), tmp_path)
    block = found.features.blocks["visual"]
    assert not block.present.any()
    assert block.reasons[0]
    assert found.problems


def test_the_pass_survives_the_way_to_another_process(vgg_face):
    import pickle

    stage = registry.build("vggface").frame_stage()
    again = pickle.loads(pickle.dumps(stage))
    assert isinstance(again, FaceCrops)
    assert again.spec() == stage.spec()


@pytest.mark.parametrize("name", ["vggface", "xception"])
def test_without_weights_it_says_which_file_and_both_ways(store, name):
    with pytest.raises((MissingWeightsError, MissingDependencyError)) as error:
        registry.build(name).spec()
    text = str(error.value)
    assert "models pull" in text
    assert "models load" in text


@pytest.mark.parametrize(
    ("name", "settings"),
    [("vggface", {"rate_hz": 0}), ("vggface", {"min_coverage": 2}), ("xception", {"rate_hz": 0})],
)
def test_settings_that_do_not_fit_are_refused(name, settings):
    with pytest.raises(UsageError, match=name):
        registry.build(name, settings)


@pytest.fixture
def xception(store):
    """The whole network at random, saved as its hub repository keeps it."""
    try:
        import timm
    except (ImportError, RuntimeError):
        pytest.skip("needs timm (the extra deep)")
    from safetensors.torch import save_file

    torch.manual_seed(4)
    network = timm.create_model("legacy_xception", pretrained=False).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    folder = store / "xception-in1k"
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text('{"architecture": "legacy_xception"}')
    return network


def test_xception_sees_whole_frames(sample, xception, tmp_path):
    from PIL import Image

    feature = registry.build("xception", {"rate_hz": 2.0})
    found = described(sample, feature, tmp_path)
    table = feature.frame_table(found.source, found.features.utterances)
    frame = next(iter(iter_frames(probe(sample), 2.0, limits=MediaLimits())))
    # Resized by its shorter side to 299 / 0.8975 and cut in the middle, colours to [-1, 1].
    image = Image.fromarray(frame.image)
    scale = 333 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BICUBIC)
    left, top = (image.width - 299) // 2, (image.height - 299) // 2
    middle = np.asarray(image.crop((left, top, left + 299, top + 299)), np.float32) / 127.5 - 1
    with torch.inference_mode():
        maps = xception.forward_features(torch.from_numpy(middle.transpose(2, 0, 1).copy())[None])
    expected = maps.mean((2, 3))[0].numpy()
    assert table.values.shape[1] == 2048
    assert np.corrcoef(table.values[0], expected)[0, 1] > 0.999
    block = found.features.blocks["visual"]
    assert block.quality["n_frames"].tolist() == [3, 3]
    inside = (table.time_s >= 0) & (table.time_s < 1.5)
    assert block.values[0] == pytest.approx(table.values[inside].mean(0), abs=1e-5)
