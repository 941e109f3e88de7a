from pathlib import Path

import numpy as np
import pytest

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.cache_report import run_action
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.fingerprint import digest_json

KEYS = sorted(digest_json(i) for i in range(3))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path)
    for i, key in enumerate(KEYS):
        made.put(
            key, "fusion" if i else "face-tracks", {"x": np.zeros(1000)}, media_digest="ab" * 16
        )
    return made


def spoil(cache: Cache, key: str) -> None:
    (path,) = (Path(cache.root) / "entries" / key[:2]).glob(f"{key}.*")
    path.write_bytes(b"garbage")


def test_info_says_where_and_how_much(cache: Cache) -> None:
    lines, code = run_action(cache, "info")
    assert code == 0
    assert lines[0].startswith(f"{cache.root}: 3 entries, 2")
    assert [line.split()[:3] for line in lines[1:]] == [
        ["face-tracks", "1", "entry"],
        ["fusion", "2", "entries"],
    ]


def test_ls_has_a_line_an_entry(cache: Cache) -> None:
    lines, code = run_action(cache, "ls")
    assert code == 0
    assert [line.split()[0] for line in lines] == KEYS
    lines, _ = run_action(cache, "ls", media=True)
    assert all(line.endswith("abababababab") for line in lines)
    assert list(run_action(Cache("memory://empty-report"), "ls").lines) == []


def test_verify_fails_while_damage_stays(cache: Cache) -> None:
    assert run_action(cache, "verify") == (["3 entries checked, 0 damaged"], 0)
    spoil(cache, KEYS[1])
    lines, code = run_action(cache, "verify")
    assert code == 1
    assert lines[0].startswith(KEYS[1])
    assert lines[1] == "3 entries checked, 1 damaged"
    lines, code = run_action(cache, "verify", drop=True, workers=2)
    assert code == 0
    assert lines[0].endswith("(dropped)")
    assert run_action(cache, "verify") == (["2 entries checked, 0 damaged"], 0)


def test_prune_and_clear_say_what_went(cache: Cache) -> None:
    (line,), code = run_action(cache, "prune", max_size="10kB")
    assert code == 0
    assert line.startswith("removed 2 entries (1")
    assert line.endswith("kB left")
    (line,), code = run_action(cache, "clear")
    assert line.startswith("removed 1 entry (8")
    assert line.endswith(", 0 B left")


def test_what_cannot_be_done_is_refused(cache: Cache) -> None:
    with pytest.raises(UsageError, match="--max-size 5GB"):
        run_action(cache, "prune")
    with pytest.raises(UsageError, match="'5 cats' is not a size"):
        run_action(cache, "prune", max_size="5 cats")
    with pytest.raises(UsageError, match="--workers 0"):
        run_action(cache, "verify", workers=0)
    with pytest.raises(UsageError, match="unknown cache action 'burn'"):
        run_action(cache, "burn")
    assert len(cache.entries()) == 3
