"""Corpora whose label is planted: models that can find it do, those that cannot stay at chance.

Three rules, each on random vectors of which one number a modality matters:

- neighbour: the sign of the visual number of the utterance before;
- agreement: whether the text's and the voice's numbers have the same sign, which each keeps through
  a video; neither says anything by itself;
- noise: the sign of the text's number, which models see under noise, beside two modalities that are
  noise altogether. Nobody can get all of them right; `CEILING` is what the sign of the noisy number
  itself gets.

The table of accuracies is printed with the tests' output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import Dialogue, collate
from affect_pipe.fusion.config import TaskSettings
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.training import seeded
from affect_pipe.pipeline.records import MODALITIES

DIMS = {"text": 3, "acoustic": 3, "visual": 3}
UTTERANCES = 6
TRAIN, TEST = 192, 250
NOISE = 0.5
# Agreement has one label a video: at chance 61 % would be more than three standard deviations off.
FOUND, NOT_FOUND = 0.85, 0.61
# Correlation of the number with itself under noise is 1 / sqrt(1 + NOISE ** 2), and the signs of
# two normal variables of correlation r agree with probability 1/2 + asin(r) / pi: 85 %.
CEILING = 0.5 + np.arcsin(1 / np.sqrt(1 + NOISE**2)) / np.pi
BELOW_CEILING = 0.08

NONE: frozenset[str] = frozenset()
TEXT, VOICE, FACE = ("text",), ("acoustic",), ("visual",)
RULES = ("neighbour", "agreement", "noise")


@dataclass(frozen=True)
class Case:
    """A model, what it reads, and which rules it should find; those of ``may`` it may or may not.

    ``alone`` gives it every utterance as a video of its own: the same model without context.
    """

    backbone: str
    finds: frozenset[str]
    reads: Sequence[str] = MODALITIES
    settings: dict[str, Any] = field(default_factory=dict)
    alone: bool = False
    may: frozenset[str] = NONE
    epochs: int = 25

    def __str__(self) -> str:
        extras = "".join(f" {k}={v}" for k, v in self.settings.items() if isinstance(v, bool))
        context = ", utterances alone" if self.alone else ""
        return f"{self.backbone}{extras} {'+'.join(m[0].upper() for m in self.reads)}{context}"


SMALL_CIM = {"gru_width": 16, "dense_width": 16, "input_dropout": 0.0, "dropout": 0.0}
SMALL_CIA = {"width": 32, "encoder_width": 16, "input_dropout": 0.0, "dropout": 0.0}
SMALL_MUSE = {"hidden_width": 16, "feed_forward": 32, "layers": 2, "dropout": 0.0}
EVERY, NO_CONTEXT = frozenset(RULES), frozenset({"agreement", "noise"})

CASES = [
    Case("cim", frozenset({"noise"}), TEXT, SMALL_CIM),
    Case("cim", frozenset({"neighbour"}), FACE, SMALL_CIM),
    Case("cim", NO_CONTEXT, ("text", "acoustic"), SMALL_CIM),
    Case("cim", EVERY, settings=SMALL_CIM),
    Case("cim", NO_CONTEXT, settings=SMALL_CIM, alone=True),
    Case("cia", EVERY, settings=SMALL_CIA),
    Case("cia", EVERY, settings={**SMALL_CIA, "iim": False}),
    Case("cia", NONE, VOICE, SMALL_CIA),
    # Two layers take longer to learn from their positions who came before.
    Case("muse-transformer", NO_CONTEXT, settings=SMALL_MUSE, may=frozenset({"neighbour"})),
    Case("muse-attention-bilstm", EVERY, settings=SMALL_MUSE),
    Case("muse-attention-bilstm", frozenset({"neighbour"}), FACE, SMALL_MUSE),
    Case("muse-attention-efficientnet-bilstm", EVERY, settings=SMALL_MUSE),
    Case("muse-efficientnet-bilstm", NO_CONTEXT, settings=SMALL_MUSE, alone=True),
]


def corpus(rule: str, n: int, seed: int) -> list[Dialogue]:
    rng = np.random.default_rng([RULES.index(rule), n, seed])
    return [planted(rule, rng, f"{rule}{i}") for i in range(n)]


def planted(rule: str, rng: np.random.Generator, name: str) -> Dialogue:
    x = {m: rng.normal(0, 1, (UTTERANCES, d)).astype(np.float32) for m, d in DIMS.items()}
    if rule == "neighbour":
        says = np.roll(x["visual"][:, 0], 1)
        says[0] = np.nan  # nobody comes before the first
    elif rule == "agreement":
        for m in ("text", "acoustic"):
            x[m][:, 0] = np.abs(x[m][:, 0]) * rng.choice([-1, 1])
        says = x["text"][:, 0] * x["acoustic"][:, 0]
    else:
        says = x["text"][:, 0].copy()
        x["text"][:, 0] += NOISE * rng.normal(0, 1, UTTERANCES)
    label = np.where(np.isnan(says), np.nan, np.where(says > 0, 2.0, 0.0)).astype(np.float32)
    everything = np.ones((UTTERANCES, 3), dtype=bool)
    return Dialogue(name, rule, x, everything, {"sentiment_class": label})


def each_alone(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    return [
        Dialogue(
            f"{d.id}-{i}",
            d.corpus,
            {m: v[i : i + 1] for m, v in d.features.items()},
            d.present[i : i + 1],
            {"sentiment_class": d.targets["sentiment_class"][i : i + 1]},
        )
        for d in dialogues
        for i in range(len(d))
    ]


def accuracy(case: Case, rule: str) -> float:
    """Share of held-out labels right, after a short training."""
    train, test = corpus(rule, TRAIN, 0), corpus(rule, TEST, 1)
    if case.alone:
        train, test = each_alone(train), each_alone(test)
    dims = {m: d for m, d in DIMS.items() if m in case.reads}
    size = len(train) // 4
    parts = [
        collate(train[i : i + size], dims, None, ["sentiment_class"])
        for i in range(0, len(train), size)
    ]
    with seeded(1):
        model = FusionModel(
            case.backbone, case.settings, dims, [TaskSettings(name="sentiment_class")]
        )
        steps = case.epochs * len(parts)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
        for step in range(steps):
            batch = parts[step % len(parts)]
            optimiser.zero_grad()
            model.total_loss(model.losses(batch, model(batch))).backward()
            optimiser.step()
            schedule.step()
    model.eval()
    batch = collate(test, dims, None, ["sentiment_class"])
    with torch.inference_mode():
        guess = model(batch).logits["sentiment_class"].argmax(dim=-1)
    known = batch.target_masks["sentiment_class"][..., 0]
    return float((guess == batch.targets["sentiment_class"][..., 0])[known].float().mean())


@pytest.fixture(scope="module")
def table(request):
    """Accuracies by model and rule, printed when all are there."""
    rows: dict[str, dict[str, float]] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield rows
    torch.set_num_threads(threads)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\nPlanted labels, accuracy in % (* = should find; noise allows {CEILING:.0%})")
        print(f"{'':50s}" + "".join(f"{rule:>12s}" for rule in RULES))
        for case in CASES:
            if str(case) in rows:
                shown = (
                    f"{100 * value:11.1f}{'*' if rule in case.finds else ' '}"
                    for rule, value in rows[str(case)].items()
                )
                print(f"{case!s:50s}" + "".join(shown))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_can_be_found_is_and_nothing_else(case, table):
    row = table[str(case)] = {rule: accuracy(case, rule) for rule in RULES}
    for rule, value in row.items():
        if rule in case.finds:
            assert value >= (CEILING - BELOW_CEILING if rule == "noise" else FOUND), rule
        elif rule not in case.may:
            assert value <= NOT_FOUND, rule
