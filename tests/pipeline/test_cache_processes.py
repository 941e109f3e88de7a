"""Many processes at one cache while another spoils its files."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.fingerprint import digest_json

N_KEYS = 8
N_ROUNDS = 150
N_WORKERS = 4


def content(i: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """What belongs to key i; of various sizes, so that half-written files would differ."""
    return {"x": np.random.default_rng(i).normal(size=(i * 200, 3))}, {"i": i}


def work(root: str, seed: int, spoil: bool) -> None:
    """Read, check and write in random order; the exit status tells of wrong data."""
    rng = random.Random(seed)
    cache = Cache(root, on_problem=lambda _: None)
    n_read = 0
    for _ in range(N_ROUNDS):
        i = rng.randrange(N_KEYS)
        key = digest_json(i)
        arrays, meta = content(i)
        entry = cache.get(key)
        if entry is not None:
            np.testing.assert_array_equal(entry.arrays["x"], arrays["x"])
            assert entry.meta == meta
            n_read += 1
        if entry is None or rng.random() < 0.2:
            cache.put(key, "s", arrays, meta)
        if spoil:
            ruin(Path(root), key, rng)
        if rng.random() < 0.02:
            cache.prune(50_000)
    assert n_read > 0


def ruin(root: Path, key: str, rng: random.Random) -> None:
    """Overwrite an entry in place, as a failing disk or a careless program would."""
    path = root / "entries" / key[:2] / f"{key}.safetensors"
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


def test_every_read_is_right_or_nothing(tmp_path: Path) -> None:
    # Fresh interpreters running this very file: a forked one would copy other tests' threads.
    processes = [
        subprocess.Popen([sys.executable, __file__, str(tmp_path), str(seed)])
        for seed in range(N_WORKERS)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0] * N_WORKERS
    cache = Cache(tmp_path)
    cache.verify(drop=True)
    assert cache.verify() == []
    leftovers = list(tmp_path.rglob("*.tmp"))
    assert leftovers == []


if __name__ == "__main__":
    work(sys.argv[1], seed=int(sys.argv[2]), spoil=sys.argv[2] == "0")
