"""Speed of training: single models, and grids of them one after another or together.

    python benchmarks/training.py                 on what there is: a GPU, else the CPU
    python benchmarks/training.py --device cpu    one core; a part of the grid, extrapolated
    python benchmarks/training.py --mosi DATA     seconds per epoch on MOSI's published features

The grid is Table 3 of the CIM paper at CMU-MOSEI's size: seven subsets of the modalities, four
tasks alone and three pairs of tasks, 50 epochs. Features are random numbers of the real shape; how
long training takes does not depend on what they say.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import NormalisationSettings, TaskName, TaskSettings
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import Normaliser, fit_normaliser
from affect_pipe.fusion.stacked.plan import RunPlan
from affect_pipe.fusion.stacked.training import train_stacked
from affect_pipe.fusion.training import TrainingSettings, seeded, train
from affect_pipe.fusion.training_events import TrainingEvent
from affect_pipe.pipeline.records import MODALITIES, Modality

DIMS: dict[Modality, int] = {"text": 300, "acoustic": 74, "visual": 35}
N_VIDEOS, N_UTTERANCES, LONGEST = 2250, 16216, 98
EPOCHS = 50
SUBSETS = [c for n in (1, 2, 3) for c in combinations(MODALITIES, n)]
SETUPS: list[tuple[TaskName, ...]] = [
    ("sentiment_class",),
    ("sentiment_intensity",),
    ("emotion_class",),
    ("emotion_intensity",),
    ("sentiment_class", "emotion_class"),
    ("sentiment_class", "sentiment_intensity"),
    ("emotion_class", "emotion_intensity"),
]


def made_lengths(n_videos: int) -> list[int]:
    """Utterances of each video: MOSEI's mean and longest, and a long tail between."""
    rng = np.random.default_rng(0)
    drawn = rng.lognormal(0.0, 0.75, n_videos)
    wanted = N_UTTERANCES * n_videos / N_VIDEOS
    lengths = np.clip(np.round(drawn * wanted / drawn.sum()), 1, LONGEST).astype(int)
    lengths[lengths.argmax()] = LONGEST
    return [int(length) for length in lengths]


def made_corpus(n_videos: int) -> list[Dialogue]:
    rng = np.random.default_rng(1)
    found = []
    for index, u in enumerate(made_lengths(n_videos)):
        features = {m: rng.normal(size=(u, d)).astype(np.float32) for m, d in DIMS.items()}
        targets: dict[TaskName, np.ndarray] = {
            "sentiment_class": rng.integers(0, 3, u).astype(np.float32),
            "sentiment_intensity": rng.uniform(-1, 1, u).astype(np.float32),
            "emotion_class": rng.integers(0, 2, (u, 7)).astype(np.float32),
            "emotion_intensity": rng.uniform(0, 1, (u, 6)).astype(np.float32),
        }
        present = np.ones((u, len(MODALITIES)), dtype=bool)
        found.append(Dialogue(str(index), "made", features, present, targets))
    return found


def made_grid(seeds: int, epochs: int) -> list[RunPlan]:
    return [
        RunPlan(
            name=f"{'+'.join(subset)} {','.join(setup)} {seed}",
            dims={m: DIMS[m] for m in subset},
            tasks=tuple(TaskSettings(name=task) for task in setup),
            settings=TrainingSettings(epochs=epochs, seed=seed, order_seed=0),
        )
        for seed in range(seeds)
        for setup in SETUPS
        for subset in SUBSETS
    ]


def fitted(dialogues: list[Dialogue], dims: dict[Modality, int]) -> Normaliser:
    vectors = {m: [d.features[m] for d in dialogues] for m in dims}
    return fit_normaliser(vectors, {m: NormalisationSettings() for m in dims})


class Stopwatch:
    """Seconds of each epoch, as a listener; the first warms up and does not count."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._marks: list[float] = []

    def __call__(self, event: TrainingEvent) -> None:
        """Note the end of an epoch."""
        if event.state == "epoch":
            if self._device == "cuda":
                torch.cuda.synchronize()
            self._marks.append(time.perf_counter())

    def fastest_s(self) -> float:
        """Return the shortest time between two notes."""
        return float(np.diff(self._marks).min())


def alone_s(plan: RunPlan, dialogues: list[Dialogue], normaliser: Normaliser, device: str) -> float:
    """Seconds per epoch of the ordinary loop."""
    with seeded(plan.settings.seed):
        model = FusionModel(plan.backbone, plan.backbone_settings, plan.dims, plan.tasks)
    watch = Stopwatch(device)
    settings = plan.settings.model_copy(update={"device": device})
    train(
        model,
        lambda epoch, rng: dialogues,
        normaliser,
        settings,
        lambda net: {"score": 0.0},
        listen=watch,
    )
    return watch.fastest_s()


def stacked_s(
    plans: list[RunPlan], dialogues: list[Dialogue], normaliser: Normaliser, device: str
) -> float:
    """Seconds per epoch of one stack."""
    watch = Stopwatch(device)
    train_stacked(
        plans, dialogues, normaliser, device=device, runs_at_once=len(plans), listen=watch
    )
    return watch.fastest_s()


def show(name: str, part_s: float, n_utterances: int) -> None:
    """Print one way of training, by the time of a run's epoch over a part of the corpus."""
    epoch_s = part_s * N_UTTERANCES / n_utterances
    grid_s = epoch_s * EPOCHS * len(SUBSETS) * len(SETUPS)
    print(f"{name:40s}{N_UTTERANCES / epoch_s:14,.0f}{epoch_s:14.3f}{grid_s / 60:16,.1f}")


def grid_in_part(n_videos: int) -> None:
    """Time a part of the grid and of the corpus on the CPU, and work out the rest."""
    dialogues = made_corpus(n_videos)
    n_utterances = sum(map(len, dialogues))
    grid = made_grid(1, 3)
    subsets = (SUBSETS[0], SUBSETS[3], SUBSETS[-1])
    plans = [p for p in grid if tuple(p.dims) in subsets and len(p.tasks) == 1]
    normaliser = fitted(dialogues, DIMS)
    print(
        f"measured: {len(plans)} runs, each task alone on one, two and three modalities,\n"
        f"on {n_videos} videos ({n_utterances:,} utterances); extrapolated to {N_VIDEOS:,} videos "
        f"({N_UTTERANCES:,} utterances),\n{len(grid)} runs of two modalities on average, "
        f"{EPOCHS} epochs\n"
    )
    print(f"{'':40s}{'utterances/s':>14s}{'s per epoch':>14s}{'grid, minutes':>16s}")
    single_s = [alone_s(plan, dialogues, normaliser, "cpu") for plan in plans]
    show("ordinary loop, one after another", float(np.mean(single_s)), n_utterances)
    ones_s = [stacked_s([plan], dialogues, normaliser, "cpu") for plan in plans]
    show("batched code, one after another", float(np.mean(ones_s)), n_utterances)
    fours = [[p for p in plans if tuple(p.dims) == subset] for subset in subsets]
    fours_s = [stacked_s(four, dialogues, normaliser, "cpu") for four in fours]
    show("batched code, four at once", sum(fours_s) / len(plans), n_utterances)


def whole_grid(seeds: int) -> None:
    """Time the whole grid on a GPU, batched; and an epoch of each subset by itself."""
    dialogues = made_corpus(N_VIDEOS)
    normaliser = fitted(dialogues, DIMS)
    plans = made_grid(seeds, EPOCHS)
    start = time.perf_counter()
    train_stacked(plans, dialogues, normaliser, device="cuda")
    torch.cuda.synchronize()
    batched_s = time.perf_counter() - start
    short = made_grid(1, 3)[: len(SUBSETS)]
    single = float(np.mean([alone_s(plan, dialogues, normaliser, "cuda") for plan in short]))
    sequential_s = single * EPOCHS * len(plans)
    n_utterances = N_UTTERANCES * EPOCHS * len(plans)
    print(f"{torch.cuda.get_device_name()}: {len(plans)} runs of {EPOCHS} epochs")
    print(f"batched, measured whole       {batched_s:10.1f} s {n_utterances / batched_s:14,.0f} /s")
    print(
        f"one after another, from {len(short)} runs{sequential_s:10.1f} s "
        f"{n_utterances / sequential_s:14,.0f} /s"
    )
    print(f"{sequential_s / batched_s:.1f} times as fast")


def mosi(data: Path) -> None:
    """Seconds per epoch of CIM on MOSI's published features, text, acoustic and visual."""
    with np.load(data / "mosi" / "mosi_mmmuba.npz", allow_pickle=False) as arrays:
        names = {"text": "text", "acoustic": "audio", "visual": "video"}
        columns = {m: arrays[name].astype(np.float32) for m, name in names.items()}
        chosen = arrays["split"] == "train"
        ids, order, labels = arrays["video_id"], arrays["utterance"], arrays["label"]
    dialogues = []
    for video in np.unique(ids[chosen]):
        rows = np.flatnonzero(chosen & (ids == video))
        rows = rows[np.argsort(order[rows], kind="stable")]
        features = {m: np.ascontiguousarray(values[rows]) for m, values in columns.items()}
        target = {"sentiment_class": labels[rows].astype(np.float32)}
        present = np.ones((len(rows), len(MODALITIES)), dtype=bool)
        dialogues.append(Dialogue(str(video), "MOSI", features, present, target))
    dims: dict[Modality, int] = {m: values.shape[1] for m, values in columns.items()}
    normaliser = fitted(dialogues, dims)
    tasks = (TaskSettings(name="sentiment_class"),)
    plans = [
        RunPlan(str(seed), dims, tasks, TrainingSettings(epochs=6, seed=seed, order_seed=0))
        for seed in range(4)
    ]
    n = sum(map(len, dialogues))
    print(f"MOSI, {len(dialogues)} videos, {n} utterances, CIM on text, acoustic and visual")
    one = alone_s(plans[0], dialogues, normaliser, "cpu")
    print(f"ordinary loop          {one:8.3f} s an epoch")
    one = stacked_s(plans[:1], dialogues, normaliser, "cpu")
    print(f"batched code, one run  {one:8.3f} s an epoch")
    four = stacked_s(plans, dialogues, normaliser, "cpu") / len(plans)
    print(f"batched code, 4 runs   {four:8.3f} s an epoch of each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--videos", type=int, default=150, help="of the part that is measured")
    parser.add_argument("--seeds", type=int, default=1, help="of the whole grid, on a GPU")
    parser.add_argument("--mosi", type=Path, metavar="DATA", help="folder that holds mosi/")
    arguments = parser.parse_args()
    if arguments.mosi is not None:
        mosi(arguments.mosi)
        return
    if arguments.device == "cuda" or (arguments.device == "auto" and torch.cuda.is_available()):
        whole_grid(arguments.seeds)
        return
    print(f"one CPU core of {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    grid_in_part(arguments.videos)


if __name__ == "__main__":
    main()
