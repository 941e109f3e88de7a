"""Which videos train, choose and test: the folds of a corpus, read from a file.

The lists of CMU-MOSEI and CMU-MOSI are part of CMU-MultimodalSDK and are not repeated here. They
are read from its module ``cmu_mosei_std_folds.py`` or ``cmu_mosi_std_folds.py``, as text: the
module is parsed, never run. Or from a JSON file::

    {"train": ["video 1", "video 2"], "dev": ["video 3"], "test": ["video 4"]}
"""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

from affect_pipe.fusion.datasets.corpus import SPLIT_NAMES
from affect_pipe.fusion.datasets.files import CorpusError, Split, existing
from affect_pipe.pipeline.errors import UsageError

MAX_FOLDS_BYTES = 4 * 2**20
_SDK_NAMES: dict[str, Split] = {
    "standard_train_fold": "train",
    "standard_valid_fold": "dev",
    "standard_test_fold": "test",
}
_SDK_FILES = {
    "CMU-MOSEI": Path("CMU_MOSEI", "cmu_mosei_std_folds.py"),
    "CMU-MOSI": Path("CMU_MOSI", "cmu_mosi_std_folds.py"),
}


def read_folds(path: Path, corpus: str) -> dict[str, Split]:
    """Read which split each video belongs to.

    Parameters
    ----------
    path : Path
        A JSON file, or one of the SDK's modules by its ending ``.py``.
    corpus : str
        For messages.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing, is neither, or puts a video into two splits.
    """
    try:
        text = existing(path, corpus, MAX_FOLDS_BYTES).read_text(encoding="utf-8")
        lists = _from_module(text) if path.suffix == ".py" else _from_json(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise CorpusError(
            f"{corpus}: {path} gives no folds: {error}; expected JSON with the lists train, dev "
            "and test, or the SDK's module with standard_train_fold and its like."
        ) from error
    by_video: dict[str, Split] = {}
    for split, videos in lists.items():
        for video in videos:
            if by_video.setdefault(video, split) != split:
                raise CorpusError(
                    f"{corpus}: {path} puts the video {video!r} into {by_video[video]} and into "
                    f"{split}; keep one."
                )
    return by_video


def installed_folds(corpus: str) -> Path:
    """Find the folds of "CMU-MOSEI" or "CMU-MOSI" in an installed SDK, without importing it.

    Raises
    ------
    UsageError
        If there is none.
    """
    spec = importlib.util.find_spec("mmsdk")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(root, "mmdatasdk", "dataset", "standard_datasets", _SDK_FILES[corpus])
        if path.is_file():
            return path
    raise UsageError(
        f"{corpus}: no folds are given and CMU-MultimodalSDK is not installed: give its "
        f"{_SDK_FILES[corpus].name} (github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK) or a JSON "
        "file with the lists train, dev and test."
    )


def _from_json(text: str) -> Mapping[Split, list[str]]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("it holds no lists by name")
    unknown = [name for name in content if name not in SPLIT_NAMES]
    if unknown:
        raise ValueError(f"it holds {unknown[0]!r}, expected train, dev or test")
    return _checked({SPLIT_NAMES[name]: videos for name, videos in content.items()})


def _from_module(text: str) -> Mapping[Split, list[str]]:
    lists = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            split = _SDK_NAMES.get(node.targets[0].id)
            if split is not None:
                lists[split] = ast.literal_eval(node.value)
    return _checked(lists)


def _checked(lists: Mapping[Split, object]) -> Mapping[Split, list[str]]:
    if "train" not in lists:
        raise ValueError("it has no list of training videos")
    checked: dict[Split, list[str]] = {}
    for split, videos in lists.items():
        if not isinstance(videos, list | tuple) or not all(isinstance(v, str) for v in videos):
            raise ValueError(f"its {split} is no list of video names")
        checked[split] = list(videos)
    return checked
