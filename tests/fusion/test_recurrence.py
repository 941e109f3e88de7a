"""GRUs that step together against torch's own, one sequence at a time, states and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from affect_pipe.fusion.models.recurrence import MaskedBiLSTM, run_bidirectional

WIDTHS, HIDDEN, LENGTHS = (3, 5, 2), 4, (6, 1, 9, 0, 4)


@pytest.fixture
def made():
    """Layers, inputs and masks of several modalities in float64, some of them absent."""
    torch.manual_seed(0)
    layers = [nn.GRU(d, HIDDEN, batch_first=True, bidirectional=True).double() for d in WIDTHS]
    shape = (len(LENGTHS), max(LENGTHS))
    values = [torch.randn(*shape, d, dtype=torch.double, requires_grad=True) for d in WIDTHS]
    real = torch.arange(shape[1]) < torch.tensor(LENGTHS)[:, None]
    present = [real & (torch.rand(shape) < share) for share in (1.0, 0.6, 0.3)]
    return layers, values, present


def one_at_a_time(layer, values, present):
    out = values.new_zeros(*values.shape[:2], 2 * HIDDEN)
    for row, here in enumerate(present):
        if here.any():
            out[row, here] = layer(values[row, here][None])[0][0]
    return out


def gradients(outputs, weights):
    loss = sum((out.sin() * torch.arange(1.0, 1 + out.shape[1])[:, None]).sum() for out in outputs)
    return torch.autograd.grad(loss, weights)


def test_states_and_gradients_are_torchs(made):
    layers, values, present = made
    weights = [*values, *(p for layer in layers for p in layer.parameters())]
    reference = [one_at_a_time(*each) for each in zip(*made, strict=True)]
    estimate = run_bidirectional(layers, values, present)
    for a, b in zip(estimate, reference, strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(gradients(estimate, weights), gradients(reference, weights), strict=True):
        torch.testing.assert_close(a, b)


def test_a_modality_that_nobody_has_is_zero(made):
    layers, values, present = made
    present[1] = torch.zeros_like(present[1])
    estimate = run_bidirectional(layers, values, present)
    assert not estimate[1].any()
    torch.testing.assert_close(estimate[2], one_at_a_time(layers[2], values[2], present[2]))


def test_layers_share_a_step_without_touching_each_other(made):
    layers, values, present = made
    together = run_bidirectional(layers, values, present)
    for index, each in enumerate(zip(*made, strict=True)):
        (alone,) = run_bidirectional(*([one] for one in each))
        torch.testing.assert_close(together[index], alone)


def test_autocast_does_not_reach_the_steps(made):
    layers, values, present = made
    layers = [layer.float() for layer in layers]
    values = [value.detach().float() for value in values]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        estimate = run_bidirectional(layers, values, present)
    reference = run_bidirectional(layers, values, present)
    for a, b in zip(estimate, reference, strict=True):
        np.testing.assert_array_equal(a.detach(), b.detach())


def test_bilstm_is_torchs_over_the_present_elements():
    torch.manual_seed(1)
    layer = MaskedBiLSTM(3, 2)
    values, present = torch.randn(3, 6, 3), torch.rand(3, 6) < 0.6
    estimate = layer(values, present)
    for row, here in enumerate(present):
        expected = layer.lstm(values[row, here][None])[0][0]
        torch.testing.assert_close(estimate[row, here], expected)
        assert not estimate[row, ~here].any()
