"""Batches on a Ray cluster of two machines, both of them here: same results, whoever dies."""

import json
import os
import signal

import psutil
import pytest

from affect_pipe.api import BatchOptions, RunSettings, batch
from affect_pipe.pipeline.batch.ray_cluster import Share
from affect_pipe.pipeline.batch.ray_engine import RayEngine
from affect_pipe.pipeline.errors import StageError

ray = pytest.importorskip("ray", reason="needs the extra cluster (make test-cluster)")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

GOOD = ("a", "sub/b", "c", "d")
STORE_BYTES = 80 << 20


@pytest.fixture(scope="module")
def videos(tmp_path_factory, sample, ffmpeg):
    """Four good clips and one that is none."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "sub").mkdir()
    small = ("-vf", "scale=160:160,fps=5")
    for i, name in enumerate(GOOD):
        ffmpeg("-ss", 2 * i, "-t", 3, "-i", sample, *small, folder / f"{name}.mp4")
        cue = f"1\n00:00:00,500 --> 00:00:02,500\nI took bicycle number {i} to the shop.\n"
        (folder / f"{name}.srt").write_text(cue)
    (folder / "cut.mp4").write_bytes((folder / "a.mp4").read_bytes()[:2000])
    return folder


def contents(out):
    """What a batch wrote, but for its ledger and the times it took."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and not path.name.startswith((".batch", "batch.jsonl")):
            data = path.read_bytes()
            if path.name.endswith(".affect.json"):
                published = json.loads(data)
                del published["timings_s"]
                data = json.dumps(published)
            found[str(path.relative_to(out))] = data
    return found


def in_cache(tmp_path):
    """No two batches share a cache: each works everything out."""
    return RunSettings(cache_dir=str(tmp_path / "entries"))


@pytest.fixture(scope="module")
def expected(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    out = folder / "out"
    batch(videos, out, in_cache(folder), options=BatchOptions(workers=1))
    found = contents(out)
    assert {f"{name}.affect.json" for name in GOOD} <= set(found)
    return found


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A cluster of two machines with one CPU each; its second machine may be taken away."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # The code gets there by shipping alone, and the user's own files are left alone.
        patch.delenv("PYTHONPATH", raising=False)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        machine = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
        cluster = Cluster(
            initialize_head=True, head_node_args={**machine, "include_dashboard": False}
        )
        second = cluster.add_node(**machine)
        yield cluster, second
        ray.shutdown()
        cluster.shutdown()


def run_on(cluster, videos, folder, listener):
    with RayEngine(cluster.address) as engine:
        workers = engine.workers
        summary = batch(videos, folder / "out", in_cache(folder), engine=engine, listener=listener)
    assert {item.target for item in summary.done} == set(GOOD)
    assert [item.target for item, _ in summary.failed] == ["cut"]
    return workers


def test_a_worker_that_crashes_is_replaced_and_results_are_those_of_one_machine(
    nodes, videos, expected, tmp_path
):
    cluster, _ = nodes
    heard, killed = [], []

    def kill_one(event):
        heard.append(event)
        if event.name == "stage" and event.state == "started" and not killed:
            killed.append(event.target)
            raylets = [
                node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()
            ]
            mine = [p for pid in raylets for p in psutil.Process(pid).children(recursive=True)]
            workers = [p for p in mine if any("popen_loky" in part for part in p.cmdline())]
            for worker in workers:
                os.kill(worker.pid, signal.SIGSEGV)

    assert run_on(cluster, videos, tmp_path, kill_one) == 2
    crashes = [event for event in heard if event.name == "failed" and event.kind == "crash"]
    assert killed[0] in {event.target for event in crashes}
    assert all("SIGSEGV" in event.reason and not event.final for event in crashes)
    assert contents(tmp_path / "out") == expected
    # What is done is done, wherever it is asked again.
    again = batch(videos, tmp_path / "out", in_cache(tmp_path), options=BatchOptions(workers=1))
    assert {item.target for item in again.plan.done} == set(GOOD)


def test_a_machine_that_leaves_half_way_takes_nothing_with_it(nodes, videos, expected, tmp_path):
    cluster, second = nodes
    heard, at_work = [], set()

    def take_away(event):
        heard.append(event)
        if event.name == "stage" and second in cluster.worker_nodes:
            at_work.add(event.target)
            if len(at_work) == 2:
                cluster.remove_node(second, allow_graceful=False)

    run_on(cluster, videos, tmp_path, take_away)
    assert second not in cluster.worker_nodes
    left = [event for event in heard if event.name == "abandoned"]
    assert left, [event for event in heard if event.name != "stage"]
    assert all("left the cluster" in event.reason for event in left)
    assert contents(tmp_path / "out") == expected


def test_no_cluster_is_one_sentence():
    with pytest.raises(StageError, match="no Ray cluster"), RayEngine("127.0.0.1:9"):
        pass


@pytest.mark.parametrize(
    ("share", "machine", "fits"),
    [
        (Share(), {"CPU": 16.0}, 16),
        (Share(cpus=2, gpus=0.5), {"CPU": 16.0, "GPU": 2.0}, 4),
        (Share(gpus=1), {"CPU": 16.0}, 0),
        (Share(memory_bytes=4 << 30), {"CPU": 16.0, "memory": float(9 << 30)}, 2),
    ],
)
def test_how_many_workers_a_machine_has_room_for(share, machine, fits):
    assert share.fit(machine) == fits
