"""A model's attention maps as files: whole, as arrays, and as heatmaps.

The heatmaps are laid out as Figure 5 of akhtar2020 (ACM TKDD) and Figure 3 of chauhan2019 (EMNLP):
cell (i, j) is the weight of utterance j for utterance i, darker for more, a panel a map, the maps
of one pair of modalities side by side. Utterances have the numbers they have in the JSON result,
from 0, where the papers count from 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.preflight import explanation_names
from affect_pipe.pipeline.records import FloatArray, VideoResult
from affect_pipe.pipeline.results.writing import open_result

# Cells a side of a panel: beyond it they would be smaller than anyone can tell apart.
MAX_CELLS = 120
# Panels side by side; a deep Transformer's layers take several rows.
MAX_COLUMNS = 4
_CELL_IN = 0.3
_PANEL_IN = (2.2, 6.0)
_MARGIN_IN = 0.9  # of titles, labels and the colour bar
_DPI = 120
_MAX_TICKS = 16
_ABSENT = "0.8"  # light grey: not a weight


def check_drawing() -> None:
    """Find out before the work whether heatmaps can be drawn.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not there.
    """
    _matplotlib("matplotlib.figure")


def _matplotlib(module: str) -> Any:
    return require(module, feature="drawing attention maps", extra="train")


def write_attention(result: VideoResult, folder: str | Path) -> list[Path]:
    """Write the attention maps of a result as arrays and as a picture.

    Parameters
    ----------
    result : VideoResult
    folder : str or Path

    Returns
    -------
    list of Path
        Of ``<stem>.attention.npz`` and ``<stem>.attention.png``; empty where there are no maps.

    Raises
    ------
    ResultError
        If a file cannot be written.
    MissingDependencyError
        If matplotlib is not there.
    """
    maps = result.prediction.attention
    if not maps:
        return []
    arrays_path, image_path = (Path(folder) / n for n in explanation_names(result.media.path))
    write_arrays(result, arrays_path)
    write_heatmaps(maps, image_path)
    return [arrays_path, image_path]


def write_arrays(result: VideoResult, path: str | Path) -> None:
    """Write whole maps as an ``.npz`` file, which `numpy.load` reads without pickle.

    Each map is float32 [U, U] under its name, as in ``text-visual/N1``; beside them ``start_s``
    and ``end_s``, float64 [U], say when each utterance is. The same maps give the same bytes.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    utterances = result.features.utterances
    arrays: dict[str, Any] = {
        "start_s": np.array([u.start_s for u in utterances], np.float64),
        "end_s": np.array([u.end_s for u in utterances], np.float64),
        **result.prediction.attention,
    }
    with open_result(path) as file:
        # Softmax weights hardly compress.
        np.savez(file, **arrays)


def strongest_of_blocks(weights: FloatArray, size: int) -> FloatArray:
    """Reduce a map to the largest weight of each block of ``size`` by ``size`` cells.

    Parameters
    ----------
    weights : float32 [U, U]
        Not negative.
    size : int
        1 leaves it as it is.

    Returns
    -------
    float32 [ceil(U / size), ceil(U / size)]
    """
    n = math.ceil(len(weights) / size)
    padded = np.zeros((n * size, n * size), np.float32)
    padded[: len(weights), : len(weights)] = weights
    largest: FloatArray = padded.reshape(n, size, n, size).max(axis=(1, 3))
    return largest


def panel_rows(names: Sequence[str]) -> list[list[str]]:
    """Lay maps out: those of the same modalities side by side, `MAX_COLUMNS` at most."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition("/")[0], []).append(name)
    return [
        group[start : start + MAX_COLUMNS]
        for group in groups.values()
        for start in range(0, len(group), MAX_COLUMNS)
    ]


def panel_title(name: str) -> str:
    """Say which map a panel shows: who attends to whom where a map has a direction."""
    sides, _, kind = name.partition("/")
    x, _, y = sides.partition("-")
    if x != y and kind in ("N1", "N2"):
        source, target = (x, y) if kind == "N1" else (y, x)
        return f"{source} attends to {target}\n({kind})"
    return f"{x if x == y else sides}\n({kind})"


def write_heatmaps(maps: Mapping[str, FloatArray], path: str | Path) -> None:
    """Draw maps as one PNG picture.

    Each panel has its own scale, from 0 to its largest weight. Grey rows attend to nothing: there
    the modality is absent. Of more than `MAX_CELLS` utterances a cell shows the strongest weight
    of a block of neighbours, which the axes say; the picture stays of a size to look at.

    Parameters
    ----------
    maps : mapping of name to float32 [U, U]
        At least one, U at least 1.
    path : str or Path

    Raises
    ------
    ResultError
        If it cannot be written.
    MissingDependencyError
        If matplotlib is not there.
    """
    n_utterances = len(next(iter(maps.values())))
    block = math.ceil(n_utterances / MAX_CELLS)
    n_cells = math.ceil(n_utterances / block)
    rows = panel_rows(list(maps))
    n_columns = max(map(len, rows))
    side = min(max(n_cells * _CELL_IN, _PANEL_IN[0]), _PANEL_IN[1])
    # Not through pyplot, which keeps figures and a back end for the whole process.
    figure = _matplotlib("matplotlib.figure").Figure(
        figsize=(n_columns * (side + _MARGIN_IN), len(rows) * (side + _MARGIN_IN)),
        dpi=_DPI,
        layout="constrained",
    )
    axes = figure.subplots(len(rows), n_columns, squeeze=False)
    for places, names in zip(axes, rows, strict=True):
        for place, axis in enumerate(places):
            if place < len(names):
                _draw(figure, axis, names[place], maps[names[place]], block)
            else:
                axis.set_axis_off()
    with open_result(path) as file:
        # Nothing about the software: the same maps give the same bytes wherever fonts are the same.
        figure.savefig(file, format="png", metadata={"Software": None})


def _draw(figure: Any, axis: Any, name: str, weights: FloatArray, block: int) -> None:
    n = len(weights)
    cells = strongest_of_blocks(weights, block)
    peak = float(cells.max())
    absent = np.broadcast_to(~cells.any(axis=1, keepdims=True), cells.shape)
    # A copy: the one in the register is everybody's.
    palette = _matplotlib("matplotlib").colormaps["Blues"].with_extremes(bad=_ABSENT)
    end = len(cells) * block - 0.5
    image = axis.imshow(
        np.where(absent, np.nan, cells),
        cmap=palette,
        vmin=0.0,
        vmax=peak or 1.0,
        extent=(-0.5, end, end, -0.5),
        interpolation="nearest",
    )
    axis.set_xlim(-0.5, n - 0.5)
    axis.set_ylim(n - 0.5, -0.5)
    ticks = np.arange(0, n, max(1, math.ceil(n / _MAX_TICKS)))
    axis.set_xticks(ticks)
    axis.set_yticks(ticks)
    axis.tick_params(labelsize=7)
    each = "" if block == 1 else f"\n(a cell is the strongest of {block} x {block})"
    axis.set_xlabel(f"utterance j, attended to{each}", fontsize=8)
    axis.set_ylabel("utterance i, attending", fontsize=8)
    axis.set_title(panel_title(name), fontsize=9)
    bar = figure.colorbar(image, ax=axis, shrink=0.8)
    bar.ax.tick_params(labelsize=7)
