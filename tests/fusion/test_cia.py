"""CIA against a loop-by-loop NumPy transcription of chauhan2019's algorithms, and its own loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import collate
from affect_pipe.fusion.models.fusion import AUXILIARY
from affect_pipe.pipeline.records import MODALITIES

# float32 against float64, through two recurrences and exponentials of order one.
TOLERANCE = 2e-5
DIMS = {"text": 6, "acoustic": 5, "visual": 4}
NO_DROPOUT = {"input_dropout": 0.0, "dropout": 0.0}
WIDTH = 4


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def gru(rows, w, prefix, suffix):
    """One direction over a list of vectors."""
    W, U, b, c = (
        w[f"{prefix}.gru.{kind}_l0{suffix}"]
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    k = U.shape[1]
    h, states = np.zeros(k), []
    for x in rows:
        a, g = W @ x + b, U @ h + c
        r = sigmoid(a[:k] + g[:k])
        z = sigmoid(a[k : 2 * k] + g[k : 2 * k])
        n = np.tanh(a[2 * k :] + r * g[2 * k :])
        h = (1 - z) * n + z * h
        states.append(h)
    return states


def bigru(vectors, w, prefix):
    """Utterance index -> state of both directions, over the utterances given."""
    where = sorted(vectors)
    ahead = gru([vectors[i] for i in where], w, prefix, "")
    back = gru([vectors[i] for i in reversed(where)], w, prefix, "_reverse")
    return {i: np.concatenate([ahead[k], back[len(where) - 1 - k]]) for k, i in enumerate(where)}


def algorithm_1(w, x, iim):
    """Rep, attention and the sum of l1; ``x[m]`` maps utterances that have m to vectors."""
    u = 1 + max((i for m in x for i in x[m]), default=-1)
    modalities = list(x)
    pairs = [("text", "visual"), ("text", "acoustic"), ("acoustic", "visual")]
    pairs = [p for p in pairs if p[0] in x and p[1] in x] or [(modalities[0], modalities[0])]
    C = {m: bigru(x[m], w, f"modality_grus.{m}") for m in x}
    C_xy, l1 = {}, 0.0
    for a, b in dict.fromkeys(o for p in pairs for o in (p, p[::-1])) if iim else ():
        name = f"iims.{a}-{b}"
        code = {
            i: np.tanh(w[f"{name}.encoder.weight"] @ v + w[f"{name}.encoder.bias"])
            for i, v in x[a].items()
        }
        errors = []
        for i in sorted(set(x[a]) & set(x[b])):
            guess = np.tanh(w[f"{name}.decoder.weight"] @ code[i] + w[f"{name}.decoder.bias"])
            errors += list((guess - x[b][i]) ** 2)
        l1 += np.mean(errors) if errors else 0.0
        C_xy[a, b] = bigru(code, w, f"interaction_grus.{a}-{b}")
    rep, attention = [], {}
    for a, b in pairs:
        exists = sorted(set(x[a]) | set(x[b]))
        BI, M = {}, {}
        for i in exists:
            blank = np.zeros(WIDTH)
            sides = [C[a].get(i, blank)] + ([C[b].get(i, blank)] if a != b else [])
            name = f"fully_connected.{a}-{b}"
            cat = np.concatenate(sides)
            BI[i] = np.maximum(w[f"{name}.weight"] @ cat + w[f"{name}.bias"], 0)
            both = [C_xy[o][i] for o in ((a, b), (b, a)) if iim and i in C_xy[o]]
            M[i] = np.mean(both, axis=0) if iim else BI[i]
        N, A = np.zeros((u, u)), np.zeros((u, WIDTH))
        for i in exists:
            P = {k: np.exp(M[i] @ BI[k]) for k in exists}
            for k in exists:
                N[i, k] = P[k] / sum(P.values())
            A[i] = sum(N[i, k] * BI[k] for k in exists) * M[i]
        rep.append(A)
        attention[f"{a}-{b}/N"] = N
    return np.concatenate(rep, axis=1), attention, l1


def grown(net):
    """Weights of order one, so that every nonlinearity is at work."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2.0)
    return net


def reference_inputs(dialogue, normaliser, dims):
    found = {}
    for m in dims:
        stats = normaliser.statistics[m]
        x = np.clip((dialogue.features[m].astype(np.float64) - stats.mean) / stats.std, -5, 5)
        here = dialogue.present[:, MODALITIES.index(m)]
        found[m] = {i: x[i] for i in range(len(x)) if here[i]}
    return found


@pytest.mark.parametrize("iim", [True, False])
@pytest.mark.parametrize(
    "modalities",
    [("text",), ("visual",), ("text", "acoustic"), ("acoustic", "visual"), MODALITIES],
    ids="+".join,
)
def test_cia_is_the_papers_algorithms(modalities, iim, dialogue, normaliser, model):
    dims = {m: d for m, d in DIMS.items() if m in modalities}
    norm = normaliser("z", dims)
    net = grown(model(11, dims, "cia", iim=iim, **NO_DROPOUT)).train()
    w = {
        k.removeprefix("backbone."): v.double().numpy()
        for k, v in net.state_dict().items()
        if k.startswith("backbone.")
    }
    for one in (dialogue(n, seed=20 + n, present=0.7) for n in (6, 3, 9)):
        batch = collate([one], dims, norm)
        found = net.backbone(batch.features, batch.utterance_mask, batch.modality_mask)
        rep, attention, l1 = algorithm_1(w, reference_inputs(one, norm, dims), iim)
        assert net.backbone.representation_width == rep.shape[1]
        estimate = found.values[0].detach().numpy()
        np.testing.assert_allclose(estimate[: len(rep)], rep, rtol=TOLERANCE, atol=TOLERANCE)
        assert not estimate[len(rep) :].any()
        assert set(found.attention) == set(attention)
        for name, weights in attention.items():
            estimate = found.attention[name][0, : len(rep), : len(rep)].detach().numpy()
            np.testing.assert_allclose(estimate, weights, rtol=0, atol=TOLERANCE, err_msg=name)
        if iim:
            assert found.auxiliary_loss.item() == pytest.approx(l1, rel=1e-5)
        else:
            assert found.auxiliary_loss is None


@pytest.fixture
def training_model(model):
    return model(5, None, "cia", **NO_DROPOUT).train()


def auxiliary(net, batch):
    return net.backbone(
        batch.features, batch.utterance_mask, batch.modality_mask
    ).auxiliary_loss.item()


def test_padding_and_absent_rows_are_not_reconstructed(training_model, dialogue, normaliser):
    norm = normaliser("z")
    one = dialogue(7, seed=1, present=0.6)
    alone = collate([one], DIMS, norm)
    blank = dialogue(12, seed=2).without(np.ones((1, 3), dtype=bool))
    spoilt = {
        m: torch.where(alone.modality_mask[..., [MODALITIES.index(m)]], v, torch.nan)
        for m, v in alone.features.items()
    }
    expected = auxiliary(training_model, alone)
    assert expected > 0
    assert auxiliary(training_model, collate([blank, one], DIMS, norm)) == pytest.approx(expected)
    assert auxiliary(training_model, replace(alone, features=spoilt)) == pytest.approx(expected)


def test_a_pair_is_reconstructed_only_where_both_are_there(training_model, dialogue, normaliser):
    one = dialogue(6, seed=3, present=1.0)
    turns = np.arange(6)[:, None] % 3 != np.arange(3)  # each utterance keeps one modality
    batch = collate([one.without(turns)], DIMS, normaliser("z"))
    assert auxiliary(training_model, batch) == 0.0


def test_the_backbones_loss_is_part_of_the_total_in_training_only(
    training_model, dialogue, normaliser
):
    target = np.array([0, 1, 2, 1], np.float32)
    one = dialogue(4, seed=4, present=1.0, targets={"sentiment_class": target})
    batch = collate([one], DIMS, normaliser("z"), ["sentiment_class"])
    outputs = training_model(batch)
    # Only this task has labels here.
    batch = replace(
        batch,
        target_masks={
            name: batch.target_masks.get(name, torch.zeros(1, 4, 1, dtype=torch.bool))
            for name in training_model.tasks
        },
    )
    losses = training_model.losses(batch, outputs)
    assert set(losses) == {"sentiment_class", AUXILIARY}
    total = training_model.total_loss(losses)
    assert total.item() == pytest.approx(sum(loss.item() for loss in losses.values()))
    total.backward()
    decoder = training_model.backbone.iims["text-visual"].decoder.weight
    assert decoder.grad.any()
    training_model.eval()
    assert set(training_model.losses(batch, training_model(batch))) == {"sentiment_class"}


def test_a_decoder_learns_only_from_its_reconstruction(training_model, dialogue, normaliser):
    batch = collate([dialogue(5, seed=6, present=1.0)], DIMS, normaliser("z"))
    found = training_model.backbone(batch.features, batch.utterance_mask, batch.modality_mask)
    found.values.sum().backward()
    assert training_model.backbone.iims["text-visual"].decoder.weight.grad is None
    assert training_model.backbone.iims["text-visual"].encoder.weight.grad.any()
