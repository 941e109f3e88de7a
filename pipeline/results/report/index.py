"""The index page of a folder of results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from affect_pipe.pipeline.results.report.index_charts import MISSING, Chart, charts, lacking
from affect_pipe.pipeline.results.report.index_folder import FailedVideo, ResultFolder
from affect_pipe.pipeline.results.report.index_rows import IndexRow
from affect_pipe.pipeline.results.report.page import Page, render

NAME = "index.html"
PAGE_SUFFIX = ".report.html"
MAX_WORDS = 8_000_000
"""Characters of speech that a page carries to be searched; with more, it searches names alone."""
_TOP = 3
_LEVELS = ("arousal", "valence")


@dataclass(frozen=True)
class _Models:
    """The models behind the rows: a label each, and the number of each row's."""

    labels: tuple[str, ...]
    numbers: tuple[int, ...]


def index_page(folder: ResultFolder, pages: Mapping[str, str | None]) -> bytes:
    """Return the index as one HTML file in UTF-8; the same folder gives the same bytes.

    Parameters
    ----------
    folder : ResultFolder
    pages : mapping of str to (str or None)
        By key: why a video's own page could not be made, None where it is there. Videos that are
        not named have no page.
    """
    rows = folder.rows
    drawn = charts(rows)
    models = _models(rows)
    searched = sum(len(row.words) for row in rows) <= MAX_WORDS
    failed = {one.key: one for one in folder.failed}
    warnings = list(dict.fromkeys(w for row in rows for w in row.warnings))
    context = {
        "folder": folder,
        "total": _total(rows),
        "rows": [_shown(row, models, n, pages, failed) for n, row in enumerate(rows)],
        "charts": drawn,
        "models": _described(rows, models),
        "folders": _folders(rows),
        "emotions": next((chart.labels for chart in drawn if chart.name == "emotions"), ()),
        "missing": MISSING.items(),
        "searched": searched,
        "unreadable": [(one.path, one.reason) for one in folder.unreadable],
        "unmade": [(key, why) for key, why in sorted(pages.items()) if why is not None],
        "words_from": sorted({row.words_from for row in rows}),
        "levels": any(chart.name in _LEVELS for chart in drawn),
    }
    data = {
        "charts": [_drawn(chart) for chart in drawn],
        "warnings": warnings,
        "rows": [
            _data(row, models.numbers[n], [chart.counts[n] for chart in drawn], warnings, searched)
            for n, row in enumerate(rows)
        ],
    }
    page = Page(
        "index.html",
        f"{folder.name}: index of results",
        data,
        styles=("index.css",),
        scripts=("index_charts.js", "index.js"),
        charts=True,
        context=context,
    )
    return render(page)


def page_path(key: str) -> str:
    """Return where the page of a key lies below the folder of pages."""
    return f"{key}{PAGE_SUFFIX}"


def clock(seconds: float) -> str:
    """Return a length of time as 0:36 or 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _models(rows: Sequence[IndexRow]) -> _Models:
    found = sorted({(row.model.name, row.model.digest) for row in rows})
    names = [name for name, _ in found]
    # Two checkpoints of one name are told apart by their digest.
    labels = [f"{n} ({d[:8]})" if names.count(n) > 1 else n for n, d in found]
    number = {model: place for place, model in enumerate(found)}
    return _Models(tuple(labels), tuple(number[r.model.name, r.model.digest] for r in rows))


def _described(rows: Sequence[IndexRow], models: _Models) -> list[dict[str, Any]]:
    described = []
    for number, label in enumerate(models.labels):
        of = [row for row, n in zip(rows, models.numbers, strict=True) if n == number]
        described.append({"label": label, "model": of[0].model, "n": len(of)})
    return described


def _folders(rows: Sequence[IndexRow]) -> list[str]:
    """Return every folder that holds results, and those above it, in order."""
    found = set()
    for row in rows:
        parts = row.folder.split("/") if row.folder else []
        found |= {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return sorted(found)


def _total(rows: Sequence[IndexRow]) -> dict[str, Any]:
    return {
        "videos": len(rows),
        "utterances": sum(row.n_utterances for row in rows),
        "length": clock(sum(row.duration_s for row in rows)),
    }


def _shown(
    row: IndexRow,
    models: _Models,
    number: int,
    pages: Mapping[str, str | None],
    failed: Mapping[str, FailedVideo],
) -> dict[str, Any]:
    """Return what the template shows of a row."""
    has_page = row.key in pages and pages[row.key] is None
    return {
        **_named(row),
        # A file name is bytes: what is no UTF-8 is quoted byte by byte.
        "href": quote(os.fsencode(page_path(row.key))) if has_page else None,
        # Adding zero turns -0.0 into 0.0.
        "mean": None if row.intensity_mean is None else round(row.intensity_mean, 2) + 0.0,
        "curve": bool(row.curve),
        "span": _span(row),
        "sentiments": _top(row.sentiments),
        "emotions": _top(row.emotions),
        "predicts": {"sentiment": row.sentiments is not None, "emotions": row.emotions is not None},
        "levels": _levels(row),
        "length": clock(row.duration_s),
        "utterances": row.n_utterances,
        "missing": [
            (name, n, "")
            for name, n in zip((*MISSING.values(), "evidence"), lacking(row), strict=True)
            if n
        ],
        "model": models.labels[models.numbers[number]],
        "words_from": row.words_from,
        "warnings": len(row.warnings),
        "older": failed[row.key].reason if row.key in failed else None,
    }


def _named(row: IndexRow) -> dict[str, str]:
    """Return the video's name, and where it is: its result may be called otherwise."""
    name = row.key.rsplit("/", 1)[-1]
    folder = f"{row.folder}/" if row.folder else ""
    own = PurePath(row.file).stem == name
    return {"name": row.file if own else name, "where": folder + ("" if own else row.file)}


def _span(row: IndexRow) -> tuple[float, float] | None:
    values = [value for _, value in row.curve if value is not None]
    return (min(values), max(values)) if values else None


def _top(counts: Mapping[str, int] | None) -> list[tuple[str, int, str]]:
    """Return the most frequent classes that occur, with their number and the colour's name."""
    found = [(label, n) for label, n in (counts or {}).items() if n]
    return [(label, n, tone(label)) for label, n in sorted(found, key=lambda one: -one[1])[:_TOP]]


def _levels(row: IndexRow) -> list[tuple[str, int, str]]:
    """Return the most frequent class of arousal and of valence."""
    found = [(name, _top(getattr(row, name))[:1]) for name in _LEVELS]
    return [(f"{name} {label}", n, "") for name, top in found for label, n, _ in top]


def tone(label: str) -> str:
    """Return the class of theme.css that a sentiment's label is coloured by; empty for others."""
    return next((t for t in ("negative", "neutral", "positive") if label.endswith(t)), "")


def _drawn(chart: Chart) -> dict[str, Any]:
    return {
        "name": chart.name,
        "unit": chart.unit,
        "labels": chart.labels,
        "tones": [tone(label) if chart.name == "sentiment" else "" for label in chart.labels],
        "centres": chart.centres,
    }


def _data(
    row: IndexRow,
    model: int,
    counts: Sequence[Sequence[int]],
    warnings: Sequence[str],
    searched: bool,
) -> dict[str, Any]:
    """Return what the scripts read of a row."""
    place = {warning: number for number, warning in enumerate(warnings)}
    about = " ".join((row.key, row.file, row.words_from, *row.speakers))
    return {
        "folder": row.folder,
        "about": about,
        "words": row.words if searched else "",
        "model": model,
        "mean": row.intensity_mean,
        "length": row.duration_s,
        "utterances": row.n_utterances,
        "missing": lacking(row),
        "warnings": [place[warning] for warning in row.warnings],
        "counts": counts,
        "curve": row.curve,
    }
