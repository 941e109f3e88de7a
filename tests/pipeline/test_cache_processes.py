"""Many processes at one cache while one of them spoils its files."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.fingerprint import digest_json

N_KEYS = 16
N_ROUNDS = 200
N_PROCESSES = 8


def content(i: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """What belongs to key i; of various sizes, so that half-written files would differ."""
    return {"x": np.random.default_rng(i).normal(size=(i * 100, 3))}, {"i": i}


def may_be_spoiled(i: int) -> bool:
    """Every other entry stays as it is: a read that does not find it has lost it."""
    return i % 2 == 1


def work(root: str, seed: int, rounds: int) -> tuple[int, int, int]:
    """Read, check and write in random order; wrong or lost data raises.

    Returns how many entries were read, missed (spoiled ones alone) and spoiled.
    """
    rng = random.Random(seed)
    cache = Cache(root, on_problem=lambda _: None)
    n_read = n_missed = n_spoiled = 0
    for _ in range(rounds):
        i = rng.randrange(N_KEYS)
        key = digest_json(i)
        arrays, meta = content(i)
        # Of other stages too, as by verbs that call one differently.
        entry = cache.get(key, rng.choice(("s", "t", "")))
        if entry is not None:
            np.testing.assert_array_equal(entry.arrays["x"], arrays["x"])
            assert entry.meta == meta
        assert entry is not None or may_be_spoiled(i), f"lost entry {i}"
        n_read += entry is not None
        n_missed += entry is None
        if entry is None or rng.random() < 0.2:
            cache.put(key, "s", arrays, meta)
        if seed == 0 and may_be_spoiled(i):
            ruin(Path(root), key, rng)
            n_spoiled += 1
        if rng.random() < 0.02:
            # Entries of the others stay: there is room for twice as much.
            cache.prune(10**6)
        if rng.random() < 0.005:
            cache.verify(drop=True)
    return n_read, n_missed, n_spoiled


def ruin(root: Path, key: str, rng: random.Random) -> None:
    """Overwrite an entry in place, as a failing disk or a careless program would."""
    path = root / "entries" / key[:2] / f"{key}.s.safetensors"
    try:
        with path.open("r+b") as file:
            if rng.random() < 0.5:
                file.truncate(rng.randrange(600))
            else:
                file.seek(rng.randrange(2000))
                file.write(rng.randbytes(50))
    except FileNotFoundError:
        pass
    time.sleep(0.002)


def hammer(root: Path, rounds: int) -> list[tuple[int, int, int]]:
    """Fill a cache and let the processes at it; return what each did. One that failed raises."""
    cache = Cache(root)
    for i in range(N_KEYS):
        cache.put(digest_json(i), "s", *content(i))
    # Fresh interpreters running this very file: a forked one would copy other tests' threads.
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(root), str(seed), str(rounds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(N_PROCESSES)
    ]
    told = [process.communicate(timeout=600 + rounds)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * N_PROCESSES
    cache.verify(drop=True)
    assert cache.verify() == []
    assert [path for path in root.rglob("*.tmp") if path.is_file()] == []
    return [tuple(map(int, line.split())) for line in told]


def test_every_read_is_right_or_nothing_and_nothing_is_lost(tmp_path: Path) -> None:
    done = hammer(tmp_path, N_ROUNDS)
    assert all(n_read > 0 for n_read, _, _ in done)
    # Otherwise the damage was never met and the test proves nothing.
    assert sum(n_missed for _, n_missed, _ in done) > 0
    assert done[0][2] > 0


if __name__ == "__main__":
    print(*work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
