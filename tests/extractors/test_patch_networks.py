"""VGGish and deep spectra: their pictures of sound, their networks, and what utterances get."""

import numpy as np
import pytest
import torch
from torch import nn

from affect_pipe.extractors import registry
from affect_pipe.extractors.acoustic import deepspectrum, vggish
from affect_pipe.extractors.acoustic.patches import patch_starts
from affect_pipe.extractors.corpora import ClipSource
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.interfaces import FrameLevel
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio, Interval, Media, Utterance

RATE_HZ = 16000


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of weights of this test's own, on a machine that may not fetch any."""
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "models"


def saved(store, name, file, state):
    (store / name).mkdir(parents=True)
    torch.save(state, store / name / file)


def layers(plan, seed):
    """Small random weights under published names: name -> shape of the weight."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in plan.items():
        scale = 1.5 / np.sqrt(np.prod(shape[1:]))
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * scale
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.1
    return state


VGGISH = {
    **{
        f"features.{k}": (b, a, 3, 3)
        for k, a, b in ((0, 1, 4), (3, 4, 5), (6, 5, 6), (8, 6, 6), (11, 6, 7), (13, 7, 8))
    },
    "embeddings.0": (20, 8 * 6 * 4),
    "embeddings.2": (20, 20),
    "embeddings.4": (128, 20),
}


def vgg_plan(blocks, last):
    plan, number, width = {}, 0, 3
    for n in blocks:
        for _ in range(n):
            plan[f"features.{number}"] = (4, width, 3, 3)
            number, width = number + 2, 4
        number += 1
    return {
        **plan,
        "classifier.0": (16, 4 * 49),
        "classifier.3": (last, 16),
        "classifier.6": (7, last),
    }


def source_of(samples, speech, start_s=0.0):
    audio = None if samples is None else Audio(np.asarray(samples, np.float32), start_s=start_s)
    media = Media("clip", "", "wav", 0.0 if audio is None else audio.duration_s, None, None)
    return ClipSource(media, audio, tuple(Interval(a, b) for a, b in speech))


@pytest.fixture
def spoken(sample):
    return read_audio(probe(sample)).samples[: 4 * RATE_HZ]


def test_log_mel_is_the_published_one(spoken):
    """Against scipy's transform and bands filled one bin at a time."""
    from scipy.signal import ShortTimeFFT, get_window

    transform = ShortTimeFFT(get_window("hann", 400), 160, RATE_HZ, mfft=512, phase_shift=None)
    magnitudes = np.abs(transform.stft(spoken.astype(np.float64), padding="zeros"))
    # Its first window that lies wholly inside the signal.
    first = next(k for k, t in enumerate(transform.t(len(spoken))) if t * RATE_HZ - 200 >= 0)
    offset = round(transform.t(len(spoken))[first] * RATE_HZ) - 200
    found = vggish.log_mel(spoken[offset:])

    def mel(hertz):
        return 1127 * np.log(1 + hertz / 700)

    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    expected = np.zeros((5, 64))
    for frame in range(5):
        for band in range(64):
            low, middle, high = edges[band : band + 3]
            for k in range(1, 257):
                at = mel(k * RATE_HZ / 512)
                if low < at < high:
                    slope = (
                        (at - low) / (middle - low)
                        if at < middle
                        else (high - at) / (high - middle)
                    )
                    expected[frame, band] += slope * magnitudes[k, first + frame]
    assert found[:5] == pytest.approx(np.log(expected + 0.01), abs=2e-5)


def test_a_tone_lights_its_own_band():
    t = np.arange(RATE_HZ) / RATE_HZ
    for hertz in (300.0, 1000.0, 4000.0):
        frames = vggish.log_mel(np.sin(2 * np.pi * hertz * t).astype(np.float32))
        assert frames.shape == (98, 64)
        edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
        centre = 700 * np.expm1(edges[1:-1][frames.mean(0).argmax()] / 1127)
        assert centre == pytest.approx(hertz, rel=0.06)


@pytest.mark.parametrize(
    ("n", "window", "hop", "starts"),
    [
        (0, 10, 5, []),
        (4, 10, 5, [0]),
        (10, 10, 5, [0]),
        (24, 10, 5, [0, 5, 10]),
        (25, 10, 5, [0, 5, 10, 15]),
    ],
)
def test_patches_lie_whole_inside_the_recording(n, window, hop, starts):
    assert patch_starts(n, window, hop) == starts


def reference_vggish(state, patches):
    """The network of the paper, layer after layer, channels last where it is flattened."""
    x = patches[:, None]
    for number in (0, 3, 6, 8, 11, 13):
        weight, bias = state[f"features.{number}.weight"], state[f"features.{number}.bias"]
        x = nn.functional.relu(nn.functional.conv2d(x, weight, bias, padding=1))
        if number in (0, 3, 8, 13):
            x = nn.functional.max_pool2d(x, 2)
    x = x.movedim(1, -1).reshape(len(x), -1)
    for number in (0, 2, 4):
        x = torch.relu(
            x @ state[f"embeddings.{number}.weight"].T + state[f"embeddings.{number}.bias"]
        )
    return x


def test_vggish_embeds_each_patch_and_averages_them(store, spoken):
    state = layers(VGGISH, 1)
    saved(store, "vggish", "vggish-10086976.pth", state)
    feature = registry.build("vggish", {"hop_s": 0.5})
    source = source_of(spoken, [(2.0, 6.0)], start_s=2.0)
    utterances = [
        Utterance(0, 2.0, 4.0, ""),
        Utterance(1, 4.4, 4.7, ""),
        Utterance(2, 5.0, 5.1, ""),
    ]
    block, table = feature.extract(source, utterances), feature.frame_table(source, utterances)

    starts = [0, 8000, 16000, 24000, 32000, 40000, 48000]
    patches = np.stack([vggish.log_mel(spoken[s : s + 15600]) for s in starts])
    expected = reference_vggish(state, torch.from_numpy(patches)).numpy()
    assert isinstance(feature, FrameLevel)
    assert table.time_s.tolist() == [2.0 + s / RATE_HZ for s in starts]
    assert (table.end_s - table.time_s).tolist() == pytest.approx([0.96] * 7)
    assert table.values == pytest.approx(expected, abs=1e-4)
    assert expected.max() > 0.1
    # Centres at 2.48, 2.98, 3.48, 3.98 lie in the first; the second holds 4.48.
    assert block.values[0] == pytest.approx(expected[:4].mean(0), abs=1e-4)
    assert block.values[1] == pytest.approx(expected[4], abs=1e-4)
    assert block.present.tolist() == [True, True, False]
    assert block.reasons[2] == "less than 0.2 s of audio"


def test_vggish_of_a_later_release_is_not_rectified(store, spoken):
    saved(store, "vggish", "vggish-10086976.pth", layers(VGGISH, 1))
    source = source_of(spoken, [(0.0, 4.0)])
    plain = registry.build("vggish", {"rectified": False}).frame_table(source, []).values
    rectified = registry.build("vggish").frame_table(source, []).values
    assert (plain < 0).any()
    assert np.array_equal(np.maximum(plain, 0), rectified)


def test_a_spectrogram_is_drawn_with_its_loudest_band_brightest():
    from matplotlib import colormaps

    t = np.arange(RATE_HZ) / RATE_HZ
    low = deepspectrum.picture(np.sin(2 * np.pi * 200 * t).astype(np.float32), "viridis", 224)
    high = deepspectrum.picture(np.sin(2 * np.pi * 6000 * t).astype(np.float32), "viridis", 224)
    silent = deepspectrum.picture(np.zeros(RATE_HZ, np.float32), "viridis", 224)
    assert low.shape == (224, 224, 3)
    assert low.dtype == np.uint8
    # Bright yellow has most red: at the bottom for a low tone, near the top for a high one.
    assert low[..., 0].mean(1).argmax() > 190
    assert high[..., 0].mean(1).argmax() < 40
    assert np.unique(silent.reshape(-1, 3), axis=0).tolist() == [
        list(colormaps["viridis"](0.0, bytes=True)[:3])
    ]


@pytest.mark.parametrize(
    ("network", "blocks"), [("vgg16", (2, 2, 3, 3, 3)), ("vgg19", (2, 2, 4, 4, 4))]
)
def test_deep_spectra_are_activations_of_the_second_dense_layer(store, spoken, network, blocks):
    state = layers(vgg_plan(blocks, 4096), 2)
    file = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}[network]
    saved(store, network, file, state)
    feature = registry.build("deepspectrum", {"network": network})
    found = feature.frame_table(source_of(spoken[: 2 * RATE_HZ], [(0.0, 2.0)]), [])

    image = deepspectrum.picture(spoken[:RATE_HZ], "viridis", 224) / 255
    x = torch.from_numpy((image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])
    x = x.permute(2, 0, 1)[None].float()
    number = 0
    for n in blocks:
        for _ in range(n):
            weight, bias = state[f"features.{number}.weight"], state[f"features.{number}.bias"]
            x, number = torch.relu(nn.functional.conv2d(x, weight, bias, padding=1)), number + 2
        x, number = nn.functional.max_pool2d(x, 2), number + 1
    x = x.flatten(1)
    for k in (0, 3):
        x = torch.relu(x @ state[f"classifier.{k}.weight"].T + state[f"classifier.{k}.bias"])
    assert found.time_s.tolist() == [0.0, 0.5, 1.0]
    assert found.values[0] == pytest.approx(x[0].numpy(), abs=1e-4)
    assert feature.spec().weights_digest


@pytest.mark.parametrize("name", ["vggish", "deepspectrum"])
def test_without_weights_it_says_which_file_and_both_ways(store, name):
    with pytest.raises(MissingWeightsError) as error:
        registry.build(name).spec()
    text = str(error.value)
    assert ".pth" in text
    assert "models pull" in text
    assert "models load" in text


def test_weights_that_would_run_code_are_not_loaded(store, spoken):
    class Trap:
        def __reduce__(self):
            return (print, ("owned",))

    saved(store, "vggish", "vggish-10086976.pth", {"features.0.weight": Trap()})
    with pytest.raises(UsageError, match="cannot be read as weights of VGGish"):
        registry.build("vggish").frame_table(source_of(spoken, [(0.0, 4.0)]), [])


def test_weights_of_something_else_are_refused_by_name(store, spoken):
    saved(store, "vggish", "vggish-10086976.pth", {"conv1.weight": torch.zeros(3, 3)})
    with pytest.raises(UsageError, match=r"vggish-10086976\.pth .*features\.0\.weight is missing"):
        registry.build("vggish").frame_table(source_of(spoken, [(0.0, 4.0)]), [])


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("vggish", {"hop_s": 0.015}, "multiple of 0.01"),
        ("vggish", {"hop_s": 0}, "multiple of 0.01"),
        ("deepspectrum", {"network": "alexnet"}, "vgg16 or vgg19"),
        ("deepspectrum", {"window_s": 0}, "window_s"),
        ("deepspectrum", {"colour_map": "jetty"}, "no colour map"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name, settings, said):
    with pytest.raises(UsageError, match=said):
        registry.build(name, settings)


def test_a_file_without_sound_has_no_patches(store):
    saved(store, "vggish", "vggish-10086976.pth", layers(VGGISH, 1))
    feature = registry.build("vggish")
    assert feature.frame_table(source_of(None, []), []).values.shape == (0, 128)
    block = feature.extract(source_of(None, []), [Utterance(0, 0.0, 1.0, "a")])
    assert block.reasons == ("no audio track",)


def test_shorter_than_a_patch_goes_on_in_silence(store, spoken):
    saved(store, "vggish", "vggish-10086976.pth", layers(VGGISH, 1))
    feature = registry.build("vggish")
    short = feature.frame_table(source_of(spoken[:8000], [(0, 0.5)]), []).values
    padded = np.pad(spoken[:8000], (0, 7600))
    assert np.array_equal(short, feature.frame_table(source_of(padded, [(0, 0.5)]), []).values)
