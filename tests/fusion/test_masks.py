"""Padding, absent modalities and the company of other dialogues influence nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import Batch, collate
from affect_pipe.fusion.models.backbone import BACKBONES
from affect_pipe.pipeline.records import MODALITIES

# Matrix products of other shapes add in another order: a few float32 units in the last place of
# values of order one, through a recurrence.
TOLERANCE = 2e-6

SUBSETS = [
    ("text",),
    ("acoustic", "visual"),
    ("text", "visual"),
    ("text", "acoustic", "visual"),
]
VARIANTS = {
    "cia": [{"iim": False}],
    "cim": [{"presence_flags": True, "skip_width": 3}],
    "mlp": [{"presence_flags": True}],
    "ef-lstm": [{"presence_flags": True, "bidirectional": True}],
    "bc-lstm": [{"variant": "sc"}, {"variant": "h", "hierarchical": False}],
    "mmmu-ba": [{"variant": "mu-sa"}, {"variant": "mmuu-sa"}],
}
CASES = [(name, extras) for name in sorted(BACKBONES) for extras in [{}, *VARIANTS.get(name, [])]]
pytestmark = [
    pytest.mark.parametrize("modalities", SUBSETS, ids="+".join),
    pytest.mark.parametrize(
        ("backbone", "extras"),
        CASES,
        ids=["-".join([name, *map(str, extras.values())]) for name, extras in CASES],
    ),
]
WITHOUT_ATTENTION = {
    *("mlp", "df-dnn", "ef-lstm", "bc-lstm", "tfn", "mfn", "graph-mfn", "marn", "mv-lstm", "mfm"),
    "muse-efficientnet-bilstm",
}
LENGTHS = (1, 7, 3, 5)


@pytest.fixture
def setting(modalities, extras, backbone, dialogue, normaliser, model):
    dims = {m: d for m, d in {"text": 6, "acoustic": 5, "visual": 4}.items() if m in modalities}
    dialogues = [dialogue(n, seed, present=0.5) for seed, n in enumerate(LENGTHS)]
    return dialogues, dims, normaliser("shrink", dims), model(3, dims, backbone, **extras)


def run(model, batch: Batch):
    with torch.inference_mode():
        representation = model.backbone(batch.features, batch.utterance_mask, batch.modality_mask)
        logits = model(batch).logits
    values = {"representation": representation.values, **logits}
    return (
        {name: value.numpy() for name, value in values.items()},
        {name: value.numpy() for name, value in representation.attention.items()},
    )


def assert_rows_equal(model, batch, alone, row, length):
    """Row ``row`` of a batch says of its utterances what ``alone`` says of them."""
    values, attention = run(model, batch)
    reference_values, reference_attention = run(model, alone)
    for name, reference in reference_values.items():
        estimate = values[name][row, :length]
        np.testing.assert_allclose(estimate, reference[0], rtol=0, atol=TOLERANCE, err_msg=name)
    for name, reference in reference_attention.items():
        estimate = attention[name][row]
        np.testing.assert_allclose(
            estimate[:length, :length], reference[0], rtol=0, atol=TOLERANCE, err_msg=name
        )
        assert not estimate[length:].any()
        assert not estimate[:, length:].any()


def test_dialogues_of_a_batch_and_their_order_do_not_matter(setting):
    dialogues, dims, norm, model = setting
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        batch = collate([dialogues[i] for i in order], dims, norm)
        for row, index in enumerate(order):
            alone = collate([dialogues[index]], dims, norm)
            assert_rows_equal(model, batch, alone, row, LENGTHS[index])


def test_more_padding_changes_nothing(setting):
    dialogues, dims, norm, model = setting
    alone = collate(dialogues[1:2], dims, norm)
    padded = replace(
        alone,
        features={
            m: torch.nn.functional.pad(v, (0, 0, 0, 9), value=5.0)
            for m, v in alone.features.items()
        },
        utterance_mask=torch.nn.functional.pad(alone.utterance_mask, (0, 9)),
        modality_mask=torch.nn.functional.pad(alone.modality_mask, (0, 0, 0, 9), value=True),
    )
    assert_rows_equal(model, padded, alone, 0, LENGTHS[1])


@pytest.mark.parametrize("value", [1e6, float("nan"), float("inf")])
def test_values_in_masked_rows_are_never_read(setting, value):
    dialogues, dims, norm, model = setting
    batch = collate(dialogues, dims, norm)
    spoilt = {}
    for m, values in batch.features.items():
        here = batch.modality_mask[..., MODALITIES.index(m)]
        spoilt[m] = torch.where(here[..., None], values, torch.tensor(value))
    reference, estimate = run(model, batch), run(model, replace(batch, features=spoilt))
    for part in (0, 1):
        for name in reference[part]:
            np.testing.assert_array_equal(estimate[part][name], reference[part][name])


def test_raw_values_of_absent_rows_are_never_read(setting):
    dialogues, dims, norm, model = setting
    spoilt = [
        replace(
            d,
            features={
                m: np.where(d.present[:, [MODALITIES.index(m)]], v, np.float32(-77))
                for m, v in d.features.items()
            },
        )
        for d in dialogues
    ]
    reference = run(model, collate(dialogues, dims, norm))
    estimate = run(model, collate(spoilt, dims, norm))
    for name in reference[0]:
        np.testing.assert_array_equal(estimate[0][name], reference[0][name])


def test_an_absent_utterance_is_skipped_by_the_modality(setting, dialogue):
    """What is said of the others is what would be said if the utterance had not been there."""
    _, dims, norm, model = setting
    whole = dialogue(6, seed=8, present=1.0)
    dropped = np.zeros((6, 3), dtype=bool)
    dropped[2] = True
    others = [0, 1, 3, 4, 5]
    shorter = replace(
        whole,
        features={m: v[others] for m, v in whole.features.items()},
        present=whole.present[others],
    )
    values, _ = run(model, collate([whole.without(dropped)], dims, norm))
    reference, _ = run(model, collate([shorter], dims, norm))
    for name, expected in reference.items():
        estimate = values[name][0, others]
        np.testing.assert_allclose(estimate, expected[0], rtol=0, atol=TOLERANCE, err_msg=name)
    assert not values["representation"][0, 2].any()


def test_attention_rows_sum_to_one_or_nothing(setting, backbone, extras):
    dialogues, dims, norm, model = setting
    batch = collate(dialogues, dims, norm)
    _, attention = run(model, batch)
    # Of an utterance's own modalities there is no matrix over utterances.
    expected = backbone not in WITHOUT_ATTENTION and extras.get("variant") != "mmuu-sa"
    assert bool(attention) == expected
    for name, weights in attention.items():
        has_own, has_other = (
            np.any([batch.modality_mask[..., MODALITIES.index(m)].numpy() for m in side], axis=0)
            for side in sides(name)
        )
        expected = has_own & has_other.any(axis=1, keepdims=True)
        np.testing.assert_allclose(weights.sum(axis=2), expected, atol=TOLERANCE)
        assert not weights.transpose(0, 2, 1)[~has_other].any()


def sides(name):
    """Modalities of the attending and of the attended side: any of them is enough."""
    pair, _, kind = name.partition("/")
    first, second = (side.split("+") for side in pair.split("-"))
    if kind == "N":  # CIA attends over the pair as one
        return first + second, first + second
    return (second, first) if kind == "N2" else (first, second)


def test_nothing_present_at_all_is_finite_in_both_passes(setting):
    dialogues, dims, norm, model = setting
    empty = [d.without(np.ones((1, 3), dtype=bool)) for d in dialogues]
    batch = collate(empty, dims, norm)
    outputs = model(batch)
    assert all(torch.isfinite(v).all() for v in outputs.logits.values())
    sum(v.sum() for v in outputs.logits.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_gradients_of_masked_inputs_are_zero(setting):
    dialogues, dims, norm, model = setting
    batch = collate(dialogues, dims, norm)
    inputs = {m: v.clone().requires_grad_() for m, v in batch.features.items()}
    outputs = model(replace(batch, features=inputs))
    sum(v[batch.utterance_mask].square().sum() for v in outputs.logits.values()).backward()
    for m, values in inputs.items():
        here = batch.modality_mask[..., MODALITIES.index(m)]
        assert not values.grad[~here].any()
        assert values.grad[here].any()
