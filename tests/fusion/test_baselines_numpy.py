"""Each baseline's forward pass against a loop-by-loop NumPy transcription of its equations.

The references read weights by name and step through videos, utterances and modalities one at a
time, in float64. What is absent is NaN to them, so that reading it would show.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import collate
from affect_pipe.fusion.models.mfm import normal_discrepancy
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import MODALITIES

# float32 against float64, through recurrences and exponentials of order one.
TOLERANCE = 1e-5
DIMS = {"text": 6, "acoustic": 5, "visual": 4}
SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(MODALITIES, size)]


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0.0)


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


class Weights:
    """Weights of a model by name, below a prefix."""

    def __init__(self, state, prefix=""):
        self.state, self.prefix = state, prefix

    def below(self, name):
        return Weights(self.state, f"{self.prefix}{name}.")

    def __getitem__(self, name):
        return self.state[self.prefix + name]

    def __contains__(self, name):
        return self.prefix + name in self.state

    def affine(self, name, x):
        return self[f"{name}.weight"] @ x + self[f"{name}.bias"]

    def network(self, name, x):
        """W_2 ReLU(W_1 x + b_1) + b_2."""
        return self.affine(f"{name}.3", relu(self.affine(f"{name}.0", x)))


def lstm_step(i, f, g, o, c):
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def torch_lstm(rows, w, suffix):
    """One direction of an LSTM in torch's parametrisation."""
    width = w[f"weight_hh_l0{suffix}"].shape[1]
    h, c, states = np.zeros(width), np.zeros(width), []
    for x in rows:
        gates = w[f"weight_ih_l0{suffix}"] @ x + w[f"bias_ih_l0{suffix}"]
        gates = gates + w[f"weight_hh_l0{suffix}"] @ h + w[f"bias_hh_l0{suffix}"]
        h, c = lstm_step(*np.split(gates, 4), c)
        states.append(h)
    return states


def torch_gru(rows, w, suffix):
    width = w[f"weight_hh_l0{suffix}"].shape[1]
    h, states = np.zeros(width), []
    for x in rows:
        r_x, z_x, n_x = np.split(w[f"weight_ih_l0{suffix}"] @ x + w[f"bias_ih_l0{suffix}"], 3)
        r_h, z_h, n_h = np.split(w[f"weight_hh_l0{suffix}"] @ h + w[f"bias_hh_l0{suffix}"], 3)
        r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        h = (1 - z) * np.tanh(n_x + r * n_h) + z * h
        states.append(h)
    return states


def over_present(step, vectors, here, w):
    """A recurrent network over the elements that are there; ``{index: state}``."""
    places = [t for t in range(len(vectors)) if here[t]]
    rows = [vectors[t] for t in places]
    states = [[h] for h in step(rows, w, "")]
    if "weight_ih_l0_reverse" in w:
        for own, h in zip(states, step(rows[::-1], w, "_reverse")[::-1], strict=True):
            own.append(h)
    return {t: np.concatenate(h) for t, h in zip(places, states, strict=True)}


def joined(x, here, t, flags=False):
    """Early fusion: absent modalities are zeros."""
    parts = [x[m][t] if here[m][t] else np.zeros(DIMS[m]) for m in x]
    if flags:
        parts.append(np.array([float(here[m][t]) for m in x]))
    return np.concatenate(parts)


def judged(here, t):
    return any(flags[t] for flags in here.values())


def mlp(w, x, here, n, settings):
    out = {}
    for t in range(n):
        if judged(here, t):
            h = joined(x, here, t, settings.presence_flags)
            for layer in range(len(settings.widths)):
                h = relu(w.affine(f"layers.{3 * layer}", h))
            out[t] = h
    return out


def df_dnn(w, x, here, n, settings):
    out = {}
    for t in range(n):
        parts = []
        for m in x:
            if here[m][t]:
                own = w.below(f"unimodal.{m}")
                h = relu(own.affine("0.3", relu(own.affine("0.0", x[m][t]))))
                s = sigmoid(own.affine("1", h))
                parts += [s, 1 - s]
            else:
                parts += [np.zeros(settings.score_width)] * 2
        if judged(here, t):
            h = relu(w.affine("fusion.0", np.concatenate(parts)))
            out[t] = relu(w.affine("fusion.3", h))
    return out


def ef_lstm(w, x, here, n, settings):
    vectors = [joined(x, here, t, settings.presence_flags) for t in range(n)]
    present = [judged(here, t) for t in range(n)]
    return over_present(torch_lstm, vectors, present, w.below("lstm.lstm"))


def contextual(w, vectors, here):
    states = over_present(torch_lstm, vectors, here, w.below("lstm.lstm"))
    if "dense.weight" not in w:
        return states
    return {t: relu(w.affine("dense", h)) for t, h in states.items()}


def bc_lstm(w, x, here, n, settings):
    lower = {m: {t: x[m][t] for t in range(n) if here[m][t]} for m in x}
    widths = DIMS
    if settings.hierarchical and len(x) > 1:
        lower = {m: contextual(w.below(f"unimodal.{m}"), x[m], here[m]) for m in x}
        width = settings.dense_width if settings.variant != "h" else settings.lstm_width
        widths = dict.fromkeys(x, width)
    vectors = [np.concatenate([lower[m].get(t, np.zeros(widths[m])) for m in x]) for t in range(n)]
    present = [judged(here, t) for t in range(n)]
    return contextual(w.below("multimodal"), vectors, present)


def attend(X, Y):
    """A = (softmax(X Y^T) Y) * X over the rows that are there."""
    A = {}
    for i, x in X.items():
        if Y:
            N = softmax(np.array([x @ y for y in Y.values()]))
            A[i] = sum(a * y for a, y in zip(N, Y.values(), strict=True)) * x
    return A


def mmmu_ba(w, x, here, n, settings):
    H = {}
    for m in x:
        own = w.below(f"encoders.{m}")
        states = over_present(torch_gru, x[m], here[m], own.below("gru.gru"))
        H[m] = {t: relu(own.affine("dense", h)) for t, h in states.items()}
    parts = []
    if settings.variant == "mmmu-ba" and len(x) > 1:
        for a, b in (("text", "visual"), ("acoustic", "visual"), ("text", "acoustic")):
            if a in x and b in x:
                parts += [attend(H[a], H[b]), attend(H[b], H[a])]
    elif settings.variant != "mmuu-sa":
        parts += [attend(H[m], H[m]) for m in x]
    else:
        between = {m: {} for m in x}
        for t in range(n):
            rows = {m: H[m][t] for m in x if here[m][t]}
            for m, a in attend(rows, rows).items():
                between[m][t] = a
        parts += between.values()
    parts += [H[m] for m in ("visual", "acoustic", "text") if m in x]
    zero = np.zeros(settings.dense_width)
    return {t: np.concatenate([part.get(t, zero) for part in parts]) for t in range(n)}


def tfn(w, x, here, n, settings):
    widths = {m: getattr(settings, f"{m}_width") for m in x}
    out = {}
    for t in range(n):
        if not judged(here, t):
            continue
        factors = []
        for m in x:
            z = np.zeros(widths[m])
            if here[m][t]:
                own = w.below(f"embeddings.{m}")
                z = x[m][t]
                for layer in (0, 2, 4):
                    z = relu(own.affine(str(layer), z))
            factors.append([*z, 1.0])
        products = [1.0]
        for factor in factors:  # every product of one element of each, the last the fastest
            products = [p * f for p in products for f in factor]
        h = relu(w.affine("inference.0", np.array(products)))
        out[t] = relu(w.affine("inference.3", h))
    return out


def system_of_lstms(w, x, here, n, width):
    """Hidden states and cells of each modality after each utterance."""
    h = {m: np.zeros(width) for m in x}
    c = {m: np.zeros(width) for m in x}
    states = []
    for t in range(n):
        h, c = dict(h), dict(c)
        for k, m in enumerate(x):
            if here[m][t]:
                gates = w.affine(f"gate_inputs.layers.{m}", x[m][t]) + h[m] @ w["recurrence"][k]
                h[m], c[m] = lstm_step(*np.split(gates, 4), c[m])
        states.append((h, c))
    return states


def gated_memory(w, attended, u):
    g1 = sigmoid(w.network("retain", attended))
    g2 = sigmoid(w.network("admit", attended))
    return g1 * u + g2 * np.tanh(w.network("update", attended))


def mfn(w, x, here, n, settings):
    states = system_of_lstms(w.below("lstms"), x, here, n, settings.lstm_width)
    u, out = np.zeros(settings.memory_width), {}
    c_before = {m: np.zeros(settings.lstm_width) for m in x}
    for t, (h, c) in enumerate(states):
        if judged(here, t):
            both = np.concatenate([c_before[m] for m in x] + [c[m] for m in x])
            attended = softmax(w.network("attention", both)) * both
            u = gated_memory(w.below("memory"), attended, u)
            out[t] = np.concatenate([h[m] for m in x] + [u])
        c_before = c
    return out


def fusion_graph(w, singles):
    """Vertices in order of size; edges numbered as their targets, then sources, come along."""
    names = list(singles)
    edges = sigmoid(w.network("efficacies", np.concatenate(list(singles.values()))))
    found, edge = {(m,): v for m, v in singles.items()}, 0

    def weighted(sources):
        nonlocal edge
        parts = []
        for source in sources:
            parts.append(edges[edge] * found[source])
            edge += 1
        return np.concatenate(parts)

    for size in range(2, len(names) + 1):
        for vertex in combinations(names, size):
            below = [s for k in range(1, size) for s in combinations(names, k)]
            sources = [s for s in below if all(m in vertex for m in s)]
            found[vertex] = w.below("networks").network("-".join(vertex), weighted(sources))
    everything = [s for k in range(1, len(names) + 1) for s in combinations(names, k)]
    output = w.network("output", weighted(everything))
    assert edge == len(edges) == {1: 1, 2: 5, 3: 19}[len(names)]
    return output


def graph_mfn(w, x, here, n, settings):
    states = system_of_lstms(w.below("lstms"), x, here, n, settings.lstm_width)
    u, out = np.zeros(settings.memory_width), {}
    c_before = {m: np.zeros(settings.lstm_width) for m in x}
    for t, (h, c) in enumerate(states):
        if judged(here, t):
            singles = {m: np.concatenate([c_before[m], c[m]]) for m in x}
            u = gated_memory(w.below("memory"), fusion_graph(w.below("graph"), singles), u)
            out[t] = np.concatenate([h[m] for m in x] + [u])
        c_before = c
    return out


def marn(w, x, here, n, settings):
    width, K = settings.lsthm_width, settings.attentions
    h = {m: np.zeros(width) for m in x}
    c = {m: np.zeros(width) for m in x}
    z, out = np.zeros(settings.code_width), {}
    for t in range(n):
        if not judged(here, t):
            continue
        for k, m in enumerate(x):
            if here[m][t]:
                U, V = w["recurrence"][k][:width], w["recurrence"][k][width:]
                gates = w.affine(f"gate_inputs.layers.{m}", x[m][t]) + h[m] @ U + z @ V
                h[m], c[m] = lstm_step(*np.split(gates, 4), c[m])
        everything = np.concatenate([h[m] for m in x])
        scores = w.affine("block.scores", everything)
        attended = {m: [] for m in x}
        for k in range(K):
            a = softmax(scores[k * len(everything) : (k + 1) * len(everything)])
            for place, m in enumerate(x):
                part = slice(place * width, (place + 1) * width)
                attended[m].append(a[part] * h[m])
        s = [relu(w.affine(f"block.reductions.{m}", np.concatenate(attended[m]))) for m in x]
        z = w.network("block.code", np.concatenate(s))
        out[t] = np.concatenate([h[m] for m in x] + [z])
    return out


def mv_lstm(w, x, here, n, settings):
    width = settings.view_width
    own, other = round(settings.alpha * width), round(settings.beta * width)
    h = {m: np.zeros(width) for m in x}
    c = {m: np.zeros(width) for m in x}
    out = {}
    for t in range(n):
        new = dict(h)
        for k, m in enumerate(x):
            if not here[m][t]:
                continue
            gates = w.affine(f"gate_inputs.layers.{m}", x[m][t])
            for place, source in enumerate(x):
                for unit in range(own if source == m else other):
                    gates = gates + h[source][unit] * w["recurrence"][k][place * width + unit]
            new[m], c[m] = lstm_step(*np.split(gates, 4), c[m])
        h = new
        if judged(here, t):
            out[t] = np.concatenate([h[m] for m in x])
    return out


def mfm(w, x, here, n, settings):
    encoded = mfn(w.below("mfn"), x, here, n, settings)
    return {t: w.network("joint_factor", w.affine("joint_code", e)) for t, e in encoded.items()}


CASES = [
    (mlp, "mlp", {}),
    (mlp, "mlp", {"presence_flags": True}),
    (df_dnn, "df-dnn", {}),
    (ef_lstm, "ef-lstm", {}),
    (ef_lstm, "ef-lstm", {"bidirectional": True, "presence_flags": True}),
    (bc_lstm, "bc-lstm", {}),
    (bc_lstm, "bc-lstm", {"variant": "sc"}),
    (bc_lstm, "bc-lstm", {"variant": "h"}),
    (bc_lstm, "bc-lstm", {"hierarchical": False}),
    (mmmu_ba, "mmmu-ba", {}),
    (mmmu_ba, "mmmu-ba", {"variant": "mmuu-sa"}),
    (mmmu_ba, "mmmu-ba", {"variant": "mu-sa"}),
    (tfn, "tfn", {}),
    (mfn, "mfn", {}),
    (graph_mfn, "graph-mfn", {}),
    (marn, "marn", {}),
    (mv_lstm, "mv-lstm", {}),
    (mv_lstm, "mv-lstm", {"alpha": 1.0, "beta": 0.0}),
    (mfm, "mfm", {}),
]


def prepared(model, normaliser, dialogue, modalities, backbone, settings):
    """A model with weights of order one, its batch, and each dialogue as the references take it."""
    dims = {m: DIMS[m] for m in modalities}
    norm, net = normaliser("z", dims), model(11, dims, backbone, **settings)
    with torch.no_grad():  # so that every nonlinearity is at work
        for parameter in net.parameters():
            parameter.mul_(2.0)
    dialogues = [dialogue(n, seed=20 + n, present=0.6) for n in (6, 2, 9)]
    videos = []
    for one in dialogues:
        x, here = {}, {}
        for m in modalities:
            here[m] = one.present[:, MODALITIES.index(m)]
            stats = norm.statistics[m]
            z = (one.features[m].astype(np.float64) - stats.mean) / stats.std
            x[m] = np.where(here[m][:, None], np.clip(z, -5, 5), np.nan)
        videos.append((x, here))
    state = {k: v.numpy().astype(np.float64) for k, v in net.backbone.state_dict().items()}
    return net, collate(dialogues, dims, norm, tuple(net.tasks)), videos, Weights(state)


@pytest.mark.parametrize("modalities", SUBSETS, ids="+".join)
@pytest.mark.parametrize(
    ("reference", "backbone", "settings"),
    CASES,
    ids=["-".join([name, *map(str, settings.values())]) for _, name, settings in CASES],
)
def test_baseline_is_the_papers_equations(
    reference, backbone, settings, modalities, dialogue, normaliser, model, tiny
):
    net, batch, videos, weights = prepared(
        model, normaliser, dialogue, modalities, backbone, settings
    )
    with torch.inference_mode():
        found = net.backbone(batch.features, batch.utterance_mask, batch.modality_mask).values
    parsed = type(net.backbone).Settings(**{**tiny[backbone], **settings})
    for row, (x, here) in enumerate(videos):
        n = len(next(iter(here.values())))
        expected = reference(weights, x, here, n, parsed)
        for t in range(n):
            values = expected.get(t, np.zeros(net.backbone.representation_width))
            estimate = found[row, t].numpy()
            np.testing.assert_allclose(estimate, values, rtol=TOLERANCE, atol=TOLERANCE)


def discrepancy(codes, prior):
    """Squared MMD between two samples, pair by pair, kernel exp(-|z - z'|^2 / (2 d))."""

    def mean_kernel(left, right):
        d = left.shape[1]
        return np.mean([np.exp(-((right - z) ** 2).sum(axis=1) / (2 * d)).mean() for z in left])

    return mean_kernel(codes, codes) - 2 * mean_kernel(codes, prior) + mean_kernel(prior, prior)


def test_discrepancy_is_that_from_a_large_sample_of_the_prior():
    rng = np.random.default_rng(3)
    prior = rng.normal(size=(1500, 3))
    for codes in (rng.normal(1.5, 0.4, (30, 3)), rng.normal(size=(30, 3)), np.zeros((1, 3))):
        found = normal_discrepancy(torch.from_numpy(codes)).item()
        # The sampling error of the prior: 1 / sqrt(1500) of kernels of at most one.
        assert found == pytest.approx(discrepancy(codes, prior), abs=0.025)


@pytest.mark.parametrize("modalities", SUBSETS, ids="+".join)
def test_auxiliary_loss_of_mfm(modalities, dialogue, normaliser, model):
    free = {"input_dropout": 0.0, "dropout": 0.0, "reconstruction_weight": 0.7, "prior_weight": 0.0}
    net, batch, videos, w = prepared(model, normaliser, dialogue, modalities, "mfm", free)
    net.train()
    with torch.no_grad():
        found = net.backbone(batch.features, batch.utterance_mask, batch.modality_mask)
    width, memory = net.backbone.settings.lstm_width, net.backbone.settings
    errors = {m: [] for m in modalities}
    for x, here in videos:
        n = len(next(iter(here.values())))
        factors = mfm(w, x, here, n, memory)
        states = system_of_lstms(w.below("lstms"), x, here, n, width)
        for m in modalities:
            for t in range(n):
                if here[m][t]:
                    code = w.affine(f"codes.{m}", states[t][0][m])
                    both = np.concatenate([w.network(f"factors.{m}", code), factors[t]])
                    errors[m].append((w.network(f"decoders.{m}", both) - x[m][t]) ** 2)
    expected = 0.7 * sum(np.mean(each) for each in errors.values())
    assert found.auxiliary_loss.item() == pytest.approx(expected, rel=1e-4)
    net.eval()
    assert (
        net.backbone(batch.features, batch.utterance_mask, batch.modality_mask).auxiliary_loss
        is None
    )


def test_auxiliary_loss_of_mfm_reads_nothing_masked_and_reaches_the_total(
    dialogue, normaliser, model
):
    free = {"input_dropout": 0.0, "dropout": 0.0}
    net, batch, _, _ = prepared(model, normaliser, dialogue, MODALITIES, "mfm", free)
    net.train()
    features = {}
    for m, values in batch.features.items():
        here = batch.modality_mask[..., MODALITIES.index(m)]
        spoilt = torch.where(here[..., None], values, torch.tensor(float("nan")))
        features[m] = torch.nn.functional.pad(spoilt, (0, 0, 0, 4), value=9.0)
    found = net.backbone(
        features,
        torch.nn.functional.pad(batch.utterance_mask, (0, 4)),
        torch.nn.functional.pad(batch.modality_mask, (0, 0, 0, 4), value=True),
    )
    outputs = net(batch)
    assert found.auxiliary_loss.item() == pytest.approx(outputs.auxiliary_loss.item(), rel=1e-5)
    total = net.total_loss(net.losses(batch, outputs)).item()
    assert total == pytest.approx(outputs.auxiliary_loss.item(), rel=1e-6)  # no labels here
    total = net.total_loss(net.losses(batch, outputs))
    total.backward()
    gradients = {name for name, p in net.named_parameters() if p.grad is not None}
    assert any("decoders" in name for name in gradients)


def test_an_absent_modality_leaves_the_tensor_of_the_others(dialogue, normaliser, model):
    """TFN with the visual vectors gone is TFN's own layer over [z_T; 1] (x) [z_A; 1]."""
    net, batch, videos, w = prepared(model, normaliser, dialogue, MODALITIES, "tfn", {})
    x, here = videos[2]
    t = next(t for t in range(9) if here["text"][t] and here["acoustic"][t])
    gone = {**here, "visual": np.zeros(9, bool)}
    z = {}
    for m in ("text", "acoustic"):
        own, z[m] = w.below(f"embeddings.{m}"), x[m][t]
        for layer in (0, 2, 4):
            z[m] = relu(own.affine(str(layer), z[m]))
    tensor = np.outer([*z["text"], 1.0], [*z["acoustic"], 1.0]).ravel()
    matrix = w["inference.0.weight"].reshape(len(w["inference.0.bias"]), len(tensor), -1)
    h = relu(matrix[:, :, -1] @ tensor + w["inference.0.bias"])
    expected = relu(w.affine("inference.3", h))
    mask = torch.from_numpy(np.stack([gone[m] for m in MODALITIES], axis=1))[None]
    features = {m: values[2:3] for m, values in batch.features.items()}
    with torch.inference_mode():
        found = net.backbone(features, torch.ones(1, 9, dtype=torch.bool), mask).values
    np.testing.assert_allclose(found[0, t], expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_tfn_refuses_more_weights_than_fit(model):
    huge = {"text_width": 4096, "acoustic_width": 4096, "visual_width": 4096}
    with pytest.raises(CheckpointError, match="choose smaller widths"):
        model(1, DIMS, "tfn", **huge)


@pytest.mark.parametrize("backbone", sorted({name for _, name, _ in CASES}))
def test_mixed_precision_runs_and_stays_close(backbone, dialogue, normaliser, model):
    net, batch, _, _ = prepared(model, normaliser, dialogue, MODALITIES, backbone, {})
    net.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        full = net(batch)
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = net(batch)
    for name, logits in full.logits.items():
        # bfloat16 has 8 bits; a recurrence of nine steps and weights of order one magnify that.
        np.testing.assert_allclose(mixed.logits[name].detach().float(), logits.detach(), atol=0.3)
    sum(v.float().sum() for v in mixed.logits.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
