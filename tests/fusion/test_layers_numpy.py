"""The layers and the whole CIM forward against a loop-by-loop NumPy transcription."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import collate
from affect_pipe.fusion.models.layers import MaskedBiGRU, SequenceDropout, masked_softmax
from affect_pipe.pipeline.records import MODALITIES

# float32 against float64, through a recurrence and exponentials of order one.
TOLERANCE = 1e-5


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def gru_direction(rows, weights, suffix):
    """One direction, one element after the other (Cho et al. 2014, reset after the product)."""
    w_ih, w_hh, b_ih, b_hh = (
        weights[f"gru.{kind}_l0{suffix}"]
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    width = w_hh.shape[1]
    state, states = np.zeros(width), []
    for x in rows:
        r_x, z_x, n_x = np.split(w_ih @ x + b_ih, 3)
        r_h, z_h, n_h = np.split(w_hh @ state + b_hh, 3)
        r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        n = np.tanh(n_x + r * n_h)
        state = (1 - z) * n + z * state
        states.append(state)
    return states


def encode(vectors, present, weights, width):
    """Dense(ReLU)(BiGRU(x)) over the present utterances of one dialogue; zeros elsewhere."""
    chosen = [i for i in range(len(vectors)) if present[i]]
    rows = [vectors[i] for i in chosen]
    forward = gru_direction(rows, weights, "")
    backward = gru_direction(rows[::-1], weights, "_reverse")[::-1]
    H = np.zeros((len(vectors), width))
    for i, f, b in zip(chosen, forward, backward, strict=True):
        H[i] = np.maximum(
            weights["dense.weight"] @ np.concatenate([f, b]) + weights["dense.bias"], 0
        )
    return H


def attend(X, Y, x_present, y_present):
    """N and A = (softmax(X Y^T) Y) * X, element by element (akhtar2019, Algorithm 1)."""
    u = len(X)
    N, A = np.zeros((u, u)), np.zeros_like(X)
    for i in range(u):
        context = [j for j in range(u) if y_present[j]]
        if not x_present[i] or not context:
            continue
        matching = {j: float(np.dot(X[i], Y[j])) for j in context}
        total = sum(np.exp(matching[j]) for j in context)
        for j in context:
            N[i, j] = np.exp(matching[j]) / total
        A[i] = sum(N[i, j] * Y[j] for j in context) * X[i]
    return N, A


def reference_forward(model, dialogue, normaliser, width):
    """SharedRep and attention of one dialogue, in float64."""
    state = {k: v.numpy().astype(np.float64) for k, v in model.state_dict().items()}
    H, here = {}, {}
    for m in model.dims:
        here[m] = dialogue.present[:, MODALITIES.index(m)]
        stats = normaliser.statistics[m]
        x = np.clip((dialogue.features[m].astype(np.float64) - stats.mean) / stats.std, -5, 5)
        prefix = f"backbone.encoders.{m}."
        own = {}
        for name, value in state.items():
            if name.startswith(prefix):
                short = name.removeprefix(prefix)
                own[short.replace("gru.gru.", "gru.")] = value
        H[m] = encode(x, here[m], own, width)
    parts, attention = [], {}
    if len(H) == 1:
        ((m, only),) = H.items()
        attention[f"{m}-{m}/N1"], A = attend(only, only, here[m], here[m])
        parts.append(A)
    for x, y in (("text", "visual"), ("acoustic", "visual"), ("text", "acoustic")):
        if x in H and y in H:
            attention[f"{x}-{y}/N1"], A1 = attend(H[x], H[y], here[x], here[y])
            attention[f"{x}-{y}/N2"], A2 = attend(H[y], H[x], here[y], here[x])
            parts += [A1, A2]
    parts += [H[m] for m in ("text", "visual", "acoustic") if m in H]
    return np.concatenate(parts, axis=1), attention


@pytest.mark.parametrize(
    "modalities",
    [("text",), ("visual",), ("text", "acoustic"), ("acoustic", "visual"), MODALITIES],
    ids="+".join,
)
def test_cim_is_the_papers_equations(modalities, dialogue, normaliser, model):
    dims = {m: d for m, d in {"text": 6, "acoustic": 5, "visual": 4}.items() if m in modalities}
    norm, net = normaliser("z", dims), model(11, dims)
    with torch.no_grad():  # weights of order one, so that every nonlinearity is at work
        for parameter in net.parameters():
            parameter.mul_(2.0)
    dialogues = [dialogue(n, seed=20 + n, present=0.7) for n in (6, 2, 9)]
    batch = collate(dialogues, dims, norm)
    with torch.inference_mode():
        found = net.backbone(batch.features, batch.utterance_mask, batch.modality_mask)
    for row, one in enumerate(dialogues):
        values, attention = reference_forward(net, one, norm, width=4)
        estimate = found.values[row, : len(one)].numpy()
        assert net.backbone.representation_width == values.shape[1]
        np.testing.assert_allclose(estimate, values, rtol=TOLERANCE, atol=TOLERANCE)
        assert set(found.attention) == set(attention)
        for name, weights in attention.items():
            estimate = found.attention[name][row, : len(one), : len(one)].numpy()
            np.testing.assert_allclose(estimate, weights, rtol=0, atol=TOLERANCE, err_msg=name)


def test_gru_over_everything_is_torchs_gru():
    torch.manual_seed(0)
    layer, x = MaskedBiGRU(3, 4), torch.randn(2, 5, 3)
    everything = torch.ones(2, 5, dtype=torch.bool)
    np.testing.assert_allclose(
        layer(x, everything).detach(), layer.gru(x)[0].detach(), rtol=0, atol=1e-6
    )


def test_masked_softmax_on_paper():
    scores = torch.tensor([[0.0, float(np.log(3.0)), 50.0], [1.0, 2.0, 3.0], [900.0, 1000.0, 7.0]])
    mask = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    expected = [[0.25, 0.75, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    np.testing.assert_allclose(masked_softmax(scores, mask), expected, atol=1e-6)


def test_sequence_dropout_drops_whole_columns_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = SequenceDropout(0.25)
    out = layer(torch.ones(400, 3, 50))
    assert (out == out[:, :1]).all()
    assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)
    layer.eval()
    assert (layer(torch.ones(2, 3, 4)) == 1).all()
