"""Batches whose videos and results are behind URLs."""

import json
import shutil

import pytest

from affect_pipe.api import BatchOptions, RunSettings, batch
from affect_pipe.batch import Copies
from affect_pipe.cli import main
from affect_pipe.pipeline.batch.remote_store import store_at


@pytest.fixture(params=["s3", "file"])
def place(request, tmp_path):
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{tmp_path.name}"
    return f"file://{tmp_path}/place"


def test_videos_from_urls_give_the_results_of_files(place, sample, ffmpeg, tmp_path):
    import fsspec

    folder = tmp_path / "videos"
    (folder / "sub").mkdir(parents=True)
    ffmpeg("-t", 3, "-i", sample, "-vf", "scale=160:160,fps=5", folder / "sub" / "a.mp4")
    cue = "1\n00:00:00,500 --> 00:00:02,500\nI took my bicycle to the shop.\n"
    (folder / "sub" / "a.srt").write_text(cue)
    (folder / "cut.mp4").write_bytes((folder / "sub" / "a.mp4").read_bytes()[:2000])
    settings = RunSettings(cache_dir=str(tmp_path / "cache"))
    options = BatchOptions(workers=1)
    batch(folder, tmp_path / "local", settings, options=options)

    system, root = fsspec.core.url_to_fs(place)
    system.makedirs(root, exist_ok=True)
    system.put(str(folder), f"{root}/videos", recursive=True)
    places = {
        "store": store_at(f"{place}/results"),
        "copies": Copies(tmp_path / "copies", 1 << 20),
    }
    out = tmp_path / "out"
    first = batch(f"{place}/videos", out, settings, options=options, **places)
    assert [item.target for item in first.done] == ["sub/a"]
    assert [(item.target, why.kind) for item, why in first.failed] == [("cut", "refused")]
    for path in (tmp_path / "local").rglob("*"):
        name = path.relative_to(tmp_path / "local").as_posix()
        if path.is_file() and not name.startswith((".batch", "batch.jsonl")):
            there = system.cat_file(f"{root}/results/{name}")
            if name.endswith(".affect.json"):
                here, there = json.loads(path.read_bytes()), json.loads(there)
                del here["timings_s"], there["timings_s"]
                assert here == there
            else:
                assert there == path.read_bytes()
    # What is there is known; what was lost is made again.
    again = batch(f"{place}/videos", out, settings, options=options, **places)
    assert ([item.target for item in again.plan.done], again.done) == (["sub/a"], ())
    system.rm_file(f"{root}/results/sub/a.affect.json")
    mended = batch(f"{place}/videos", out, settings, options=options, **places)
    assert [item.target for item in mended.done] == ["sub/a"]
    # What was said of places is in the ledger: once more takes no repetition.
    system.pipe_file(f"{root}/videos/cut.mp4", (folder / "sub" / "a.mp4").read_bytes())
    system.invalidate_cache()
    shutil.rmtree(tmp_path / "copies")
    assert main(["batch", "retry", str(out), "--progress", "none", "--workers", "1"]) == 0
    assert system.exists(f"{root}/results/cut.affect.json")
    assert list((tmp_path / "copies").rglob("cut.mp4"))
    assert {path.name for path in out.iterdir()} <= {"batch.jsonl", ".batch.lock"}
