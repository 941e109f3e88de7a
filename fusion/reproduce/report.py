"""The results of a table: JSON for programs, Markdown and a terminal table for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_pipe.fusion.reproduce.plan import Plan
from affect_pipe.fusion.reproduce.scoring import CONFIDENCE, Comparison, Score
from affect_pipe.fusion.reproduce.sources import SOURCES
from affect_pipe.fusion.reproduce.tables import PERCENT, Entry, Protocol, letters
from affect_pipe.fusion.statistics import Interval
from affect_pipe.pipeline.atomic import atomic_write

if TYPE_CHECKING:
    from rich.table import Table as RichTable

FORMAT = "affect-pipe/reproduce/1"
PROTOCOLS: dict[Protocol, str] = {
    "validation": "epoch chosen on validation videos, test scored once",
    "cross-fit": "epoch chosen on one half of the test videos, the other half scored; both ways, "
    "mean over 50 halvings",
    "validation-only": "epoch chosen and scored on validation, as the paper does",
    "none": "no training",
}
METRICS: dict[str, str] = {
    "accuracy": "accuracy %",
    "weighted_f1": "weighted F1 %",
    "macro_f1": "macro F1 %",
    "uar": "UAR",
    "emotion_f1": "F1 %, mean of emotions",
    "emotion_w_acc": "W-Acc %, mean of emotions",
    "mae": "MAE",
    "mse": "MSE",
    "pearson": "Pearson",
    "cosine": "cosine",
    "components": "columns",
}
TASK_TITLES: dict[str, str] = {
    "sentiment_class": "sentiment class",
    "sentiment_intensity": "sentiment intensity",
    "emotion_class": "emotion class",
    "emotion_intensity": "emotion intensity",
    "arousal_class": "arousal",
    "valence_class": "valence",
}


@dataclass(frozen=True, eq=False)
class Report:
    """A table that was run.

    Attributes
    ----------
    plan : Plan
    scores : tuple of Score
    comparisons : tuple of Comparison
    failures : mapping of str to str
        Cells that failed and why.
    """

    plan: Plan
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    failures: Mapping[str, str]

    def as_json(self) -> str:
        """Everything, with the same bytes for the same results."""
        table = self.plan.table
        content = {
            "format": FORMAT,
            "table": table.name,
            "title": table.title,
            "citation": table.citation,
            "notes": list(table.notes),
            "seeds": list(self.plan.seeds),
            "absent": self.plan.absent,
            "failures": dict(self.failures),
            "confidence": CONFIDENCE,
            "entries": [_entry_json(found) for found in self.scores],
            "tests": [_test_json(found) for found in self.comparisons],
        }
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    def as_markdown(self) -> str:
        """Our numbers beside the paper's, group by group."""
        table = self.plan.table
        lines = [f"# {table.title}", "", f"{table.citation}.", ""]
        lines += [f"- {note}" for note in table.notes]
        lines += [f"- Left out: {sentence}." for sentence in self.plan.absent.values()]
        lines += [f"- Failed: {cell}: {why}" for cell, why in self.failures.items()]
        interval = f"{100 * CONFIDENCE:.0f} % interval"
        lines += [
            "",
            f"Ours: mean +- standard deviation over {_seeds(self.plan.seeds)}; {interval} of the "
            "mean by resampling the videos.",
        ]
        for title, group in self._groups():
            lines += ["", f"## {title}", ""]
            lines.append(f"| model | modalities | ours | {interval} | paper | difference |")
            lines.append("|---|---|---|---|---|---|")
            lines += ["| " + " | ".join(_cells(found)) + " |" for found in group]
        if self.comparisons:
            lines += ["", "## Paired tests", ""]
            lines += [
                "Difference: first row minus second, the higher the better for either metric; p "
                "of a two-sided paired t-test over seeds; the interval is over test videos.",
                "",
                "| rows | what | difference | p | " + interval + " | in the paper |",
                "|---|---|---|---|---|---|",
            ]
            lines += ["| " + " | ".join(_test_cells(found)) + " |" for found in self.comparisons]
        return "\n".join(lines) + "\n"

    def as_rich(self) -> list[RichTable]:
        """Tables for a terminal, one a group."""
        from rich import box
        from rich.table import Table as RichTable

        drawn = []
        for title, group in self._groups():
            table = RichTable(
                title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
            )
            table.add_column("model")
            table.add_column("input", no_wrap=True)
            for name in ("ours", f"{100 * CONFIDENCE:.0f} %", "paper", "gap"):
                table.add_column(name, justify="right", no_wrap=True)
            for found in group:
                table.add_row(*_cells(found))
            drawn.append(table)
        return drawn

    def _groups(self) -> list[tuple[str, list[Score]]]:
        groups: dict[str, list[Score]] = {}
        for found in self.scores:
            groups.setdefault(_group(found.entry), []).append(found)
        return list(groups.items())


def write_report(report: Report, out: Path) -> tuple[Path, Path]:
    """Write ``<table>.json`` and ``<table>.md``, each whole or not at all; returns their paths."""
    name = report.plan.table.name
    paths = (out / f"{name}.json", out / f"{name}.md")
    atomic_write(paths[0], [report.as_json().encode()])
    atomic_write(paths[1], [report.as_markdown().encode()])
    return paths


def _group(entry: Entry) -> str:
    source, task = SOURCES[entry.setup.source], TASK_TITLES[entry.task]
    classes = [t.classes for t in entry.setup.tasks if t.name == "sentiment_class"]
    if entry.task == "sentiment_class" and classes:
        task += f" ({classes[0]})"
    if entry.setup.protocol == "none":
        return f"{source.title}: {METRICS[entry.metric]}"
    return f"{source.title}: {task}, {METRICS[entry.metric]} ({PROTOCOLS[entry.setup.protocol]})"


def number(value: float, metric: str) -> str:
    """Print a number as the papers do: percentages with one decimal, others with three."""
    if math.isnan(value):
        return "-"
    if metric == "components":
        return f"{value:.0f}"
    return f"{value:.1f}" if metric in PERCENT else f"{value:.3f}"


def _cells(found: Score) -> list[str]:
    entry, metric = found.entry, found.entry.metric
    ours = number(found.mean, metric)
    if not math.isnan(found.std) and metric != "components":
        ours += f" +- {number(found.std, metric)}"
    missing = f" ({len(found.by_seed)} seeds)" if len(found.by_seed) == 1 else ""
    paper = "-" if entry.paper is None else number(entry.paper, metric)
    difference = "-"
    if entry.paper is not None:
        gap = found.mean - entry.paper
        difference = f"{'+' if gap >= 0 else '-'}{number(abs(gap), metric)}"
    return [
        entry.setup.row,
        letters(entry.setup.modalities),
        ours + missing.replace("seeds", "seed"),
        _range(found.interval, metric),
        paper,
        difference,
    ]


def _test_cells(found: Comparison) -> list[str]:
    entry = found.better
    metric = entry.metric
    what = f"{_group(entry).partition(' (epoch')[0]}, {letters(entry.setup.modalities)}"
    sign = "+" if found.test.difference >= 0 else "-"
    return [
        f"{found.claim.better} - {found.claim.worse}",
        what,
        sign + number(abs(found.test.difference), metric),
        "-" if math.isnan(found.test.p) else f"{found.test.p:.3f}",
        _range(found.interval, metric),
        found.claim.where,
    ]


def _range(interval: Interval, metric: str) -> str:
    if math.isnan(interval.low):
        return "-"
    return f"[{number(interval.low, metric)}, {number(interval.high, metric)}]"


def _seeds(seeds: Sequence[int]) -> str:
    return "seed 1" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"


def _entry_json(found: Score) -> dict[str, Any]:
    entry, setup = found.entry, found.entry.setup
    return {
        "row": setup.row,
        "source": setup.source,
        "dataset": SOURCES[setup.source].title,
        "modalities": letters(setup.modalities),
        "task": entry.task,
        "metric": entry.metric,
        "unit": "percent" if entry.metric in PERCENT else "",
        "protocol": setup.protocol,
        "paper": entry.paper,
        "mean": _finite(found.mean),
        "std": _finite(found.std),
        "by_seed": {str(seed): _finite(value) for seed, value in found.by_seed.items()},
        "interval": _interval_json(found.interval),
        "videos": len(found.ids),
        "setup": setup.model_dump(mode="json"),
    }


def _test_json(found: Comparison) -> dict[str, Any]:
    entry = found.better
    return {
        "better": found.claim.better,
        "worse": found.claim.worse,
        "where": found.claim.where,
        "source": entry.setup.source,
        "modalities": letters(entry.setup.modalities),
        "task": entry.task,
        "metric": entry.metric,
        "difference": _finite(found.test.difference),
        "t": _finite(found.test.t),
        "p": _finite(found.test.p),
        "seeds": found.test.n,
        "interval": _interval_json(found.interval),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _interval_json(interval: Interval) -> list[float] | None:
    return None if math.isnan(interval.low) else [interval.low, interval.high]
