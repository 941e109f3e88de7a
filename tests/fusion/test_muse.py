"""The MuSe hybrids against a loop-by-loop NumPy transcription of what they are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import collate
from affect_pipe.fusion.models.backbone import BACKBONES
from affect_pipe.fusion.models.muse import MuseMultitaskSettings, MuseSettings
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import MODALITIES

# float32 against float64, through normalisations, a recurrence and exponentials of order one.
TOLERANCE = 5e-5
EPSILON = 1e-5  # torch's, within layer normalisation
DIMS = {"text": 6, "acoustic": 5, "visual": 4}
HYBRIDS = [name for name in BACKBONES if name.startswith("muse-") and name != "muse-multitask"]


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


class Weights:
    """Weights under a prefix: ``w["name"]`` an array, ``w.sub("name")`` those below it."""

    def __init__(self, state, prefix=""):
        self.state, self.prefix = state, prefix

    def __getitem__(self, name):
        return self.state[self.prefix + name]

    def __contains__(self, name):
        return any(key.startswith(self.prefix + name) for key in self.state)

    def sub(self, name):
        return Weights(self.state, f"{self.prefix}{name}.")

    def affine(self, name, x):
        y = self[f"{name}.weight"] @ x
        return y + self[f"{name}.bias"] if f"{name}.bias" in self else y

    def norm(self, name, x):
        scaled = (x - x.mean()) / math.sqrt(x.var() + EPSILON)
        return scaled * self[f"{name}.weight"] + self[f"{name}.bias"]


def attention(w, xs, heads):
    """Equations 2 to 4 of jiang2021, one query after the other."""
    n, d = len(xs), len(xs[0])
    k = d // heads
    Q, K, V = ([w.affine(name, x) for x in xs] for name in ("query", "key", "value"))
    out, mean = [], np.zeros((n, n))
    for i in range(n):
        parts = []
        for h in range(heads):
            s = slice(h * k, (h + 1) * k)
            e = [math.exp(Q[i][s] @ K[j][s] / math.sqrt(k)) for j in range(n)]
            a = [value / sum(e) for value in e]
            mean[i] += np.array(a) / heads
            parts.append(sum(a[j] * V[j][s] for j in range(n)))
        out.append(w.affine("output", np.concatenate(parts)))
    return out, mean


def transformer_layer(w, xs, heads):
    attended, weights = attention(w.sub("attention"), xs, heads)
    xs = [w.norm("attention_norm", x + a) for x, a in zip(xs, attended, strict=True)]
    fed = [w.affine("second", np.maximum(w.affine("first", x), 0)) for x in xs]
    return [w.norm("feed_norm", x + f) for x, f in zip(xs, fed, strict=True)], weights


def position(t, d):
    """Vaswani et al. 2017, section 3.5."""
    return np.array(
        [(math.sin if c % 2 == 0 else math.cos)(t / 10000 ** ((c - c % 2) / d)) for c in range(d)]
    )


def convolve(kernel, xs, depthwise=False):
    """Over time with zeros around; ``kernel [out, in, k]``."""
    size, out = kernel.shape[2], []
    for t in range(len(xs)):
        y = np.zeros(kernel.shape[0])
        for o in range(size):
            s = t + o - size // 2
            if 0 <= s < len(xs):
                y += kernel[:, 0, o] * xs[s] if depthwise else kernel[:, :, o] @ xs[s]
        out.append(y)
    return out


def fused_mbconv(w, xs):
    inner = convolve(w["expand.convolution.weight"], xs)
    inner = [silu(w.norm("expand_norm", x)) for x in inner]
    if "project.weight" in w:
        inner = [w.norm("project_norm", w["project.weight"] @ x) for x in inner]
    return [x + y for x, y in zip(xs, inner, strict=True)]


def mbconv(w, xs):
    inner = [silu(w.norm("expand_norm", w["expand.weight"] @ x)) for x in xs]
    inner = convolve(w["depthwise.convolution.weight"], inner, depthwise=True)
    inner = [silu(w.norm("depthwise_norm", x)) for x in inner]
    squeezed = silu(w.affine("excitation.squeeze", sum(inner) / len(inner)))
    scale = sigmoid(w.affine("excitation.excite", squeezed))
    inner = [w.norm("project_norm", w["project.weight"] @ (scale * x)) for x in inner]
    return [x + y for x, y in zip(xs, inner, strict=True)]


def lstm(w, xs, suffix):
    W, U, b, c = (
        w[f"lstm.{kind}_l0{suffix}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    k = U.shape[1]
    h, cell, states = np.zeros(k), np.zeros(k), []
    for x in xs:
        g = W @ x + b + U @ h + c
        i, f, o = sigmoid(g[:k]), sigmoid(g[k : 2 * k]), sigmoid(g[3 * k :])
        cell = f * cell + i * np.tanh(g[2 * k : 3 * k])
        h = o * np.tanh(cell)
        states.append(h)
    return states


def hybrid(w, xs, name, settings):
    """One hybrid over the steps given, and its attention maps."""
    parts, maps = name.split("-"), {}
    if parts[0] != "efficientnet":
        xs = [w.affine("projection", x) for x in xs]
    if "attention" in parts:
        attended, maps["self"] = attention(w.sub("attention"), xs, 1)
        added = settings.attention_residual
        xs = [a + x if added else a for x, a in zip(xs, attended, strict=True)]
    if "transformer" in parts:
        xs = [x + position(t, len(x)) for t, x in enumerate(xs)]
        for n in range(settings.layers):
            xs, maps[f"layer{n + 1}"] = transformer_layer(
                w.sub(f"transformer.{n}"), xs, settings.heads
            )
    if "efficientnet" in parts:
        net = w.sub("efficientnet")
        stem = convolve(net["stem.convolution.weight"], xs)
        xs = [silu(net.norm("stem_norm", x)) for x in stem]
        for n, block in enumerate(settings.blocks):
            kind = fused_mbconv if block.kind == "fused-mbconv" else mbconv
            xs = kind(net.sub(f"blocks.{n}"), xs)
    if "bilstm" in parts:
        own = w.sub("lstm")
        ahead, back = lstm(own, xs, ""), lstm(own, xs[::-1], "_reverse")[::-1]
        xs = [np.concatenate(pair) for pair in zip(ahead, back, strict=True)]
    return xs, maps


def branch(w, dialogue, x, modalities, name, settings):
    """Early fusion of one dialogue's steps that have any of the modalities."""
    here = {m: dialogue.present[:, MODALITIES.index(m)] for m in modalities}
    steps = [t for t in range(len(dialogue)) if any(here[m][t] for m in modalities)]
    fused = [np.concatenate([x[m][t] * here[m][t] for m in modalities]) for t in steps]
    values, maps = hybrid(w.sub("model"), fused, name, settings) if steps else ([], {})
    out = {}
    for key, weights in maps.items():
        spread = np.zeros((len(dialogue), len(dialogue)))
        spread[np.ix_(steps, steps)] = weights
        side = "+".join(modalities)
        out[f"{side}-{side}/{key}"] = spread
    return dict(zip(steps, values, strict=True)), out


def prepared(net, dialogue, normaliser):
    with torch.no_grad():  # weights of order one, so that every nonlinearity is at work
        for name, parameter in net.named_parameters():
            if name.startswith("backbone."):
                parameter.add_(0.3 * torch.randn_like(parameter))
    w = Weights(
        {
            k.removeprefix("backbone."): v.double().numpy()
            for k, v in net.state_dict().items()
            if k.startswith("backbone.")
        }
    )
    x = {}
    for m in net.dims:
        stats = normaliser.statistics[m]
        x[m] = np.clip((dialogue.features[m].astype(np.float64) - stats.mean) / stats.std, -5, 5)
    batch = collate([dialogue], net.dims, normaliser)
    with torch.inference_mode():
        found = net.backbone(batch.features, batch.utterance_mask, batch.modality_mask)
    return w, x, found


def assert_same(found, rows, maps, n):
    reference = np.zeros((n, found.values.shape[2]))
    for t, row in rows.items():
        reference[t] = row
    np.testing.assert_allclose(found.values[0], reference, rtol=TOLERANCE, atol=TOLERANCE)
    assert set(found.attention) == set(maps)
    for name, weights in maps.items():
        np.testing.assert_allclose(found.attention[name][0], weights, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("modalities", [("visual",), MODALITIES], ids="+".join)
@pytest.mark.parametrize(
    ("name", "residual"),
    [(name, True) for name in HYBRIDS] + [(name, False) for name in HYBRIDS if "-att" in name],
)
def test_hybrid_is_its_equations(name, modalities, residual, dialogue, normaliser, model, tiny):
    dims = {m: d for m, d in DIMS.items() if m in modalities}
    settings = MuseSettings.model_validate({**tiny[name], "attention_residual": residual})
    torch.manual_seed(0)
    net = model(11, dims, name, attention_residual=residual)
    norm, one = normaliser("z", dims), dialogue(8, seed=4, present=0.5)
    w, x, found = prepared(net, one, norm)
    rows, maps = branch(w.sub("branch"), one, x, modalities, name.removeprefix("muse-"), settings)
    assert_same(found, rows, maps, len(one))


@pytest.mark.parametrize("modalities", [("text",), MODALITIES], ids="+".join)
def test_multitask_is_two_branches_and_shared_layers(modalities, dialogue, normaliser, model, tiny):
    dims = {m: d for m, d in DIMS.items() if m in modalities}
    settings = MuseMultitaskSettings.model_validate(tiny["muse-multitask"])
    torch.manual_seed(0)
    net = model(11, dims, "muse-multitask")
    norm, one = normaliser("z", dims), dialogue(8, seed=5, present=0.5)
    w, x, found = prepared(net, one, norm)
    outputs, maps = [], {}
    for number, own in enumerate(settings.branches):
        # Where the voice is not among the model's modalities, its branch reads what there is.
        read = tuple(m for m in modalities if m in own.modalities) or modalities
        values, own_maps = branch(w.sub(f"branches.{number}"), one, x, read, own.hybrid, own)
        outputs.append(values)
        maps.update({f"{key}{number + 1}": weights for key, weights in own_maps.items()})
    widths = [net.backbone.branches[number].width for number in range(2)]
    rows = {}
    for t in set(outputs[0]) | set(outputs[1]):
        row = np.concatenate(
            [own.get(t, np.zeros(n)) for own, n in zip(outputs, widths, strict=True)]
        )
        for layer in (0, 3):
            row = np.maximum(w.affine(f"shared.{layer}", row), 0)
        rows[t] = row
    assert_same(found, rows, maps, len(one))


def test_defaults_are_the_papers():
    settings = MuseSettings()
    assert (settings.hidden_width, settings.heads, settings.feed_forward) == (64, 4, 128)
    assert settings.layers == 6
    arousal, valence = MuseMultitaskSettings().branches
    assert arousal.modalities == ("acoustic",)
    assert (arousal.hybrid, valence.hybrid) == (
        "attention-efficientnet-bilstm",
        "attention-bilstm",
    )


def test_heads_must_divide_the_width(model):
    with pytest.raises(CheckpointError, match="3 heads"):
        model(1, None, "muse-transformer", heads=3)
