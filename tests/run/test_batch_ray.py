"""Batches on a Ray cluster of two machines, both of them here: same results, whoever dies."""

import json
import os
import signal
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from affect_pipe.api import BatchOptions, RunSettings, batch
from affect_pipe.pipeline.batch.engine import Began, Failed, RetryPolicy, Succeeded
from affect_pipe.pipeline.batch.ray_engine import RayEngine
from affect_pipe.pipeline.batch.ray_share import Share
from affect_pipe.pipeline.batch.records import Item, Task
from affect_pipe.pipeline.errors import StageError
from affect_pipe.pipeline.placement import Elsewhere

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
    """A cluster of two machines with one CPU each, the first with what Ray takes for a GPU.

    Its second machine may be taken away.
    """
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # The code gets there by shipping alone, and the user's own files are left alone.
        patch.delenv("PYTHONPATH", raising=False)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        machine = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
        head = {**machine, "num_gpus": 1, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        second = cluster.add_node(**machine)
        yield cluster, second
        ray.shutdown()
        cluster.shutdown()


def run_on(cluster, videos, folder, listener, resources=None):
    with RayEngine(cluster.address, resources=resources) as engine:
        workers = engine.workers
        summary = batch(videos, folder / "out", in_cache(folder), engine=engine, listener=listener)
    assert {item.target for item in summary.done} == set(GOOD)
    assert [item.target for item, _ in summary.failed] == ["cut"]
    return workers


def worker_processes(cluster):
    """The processes that work on videos, of all machines of a cluster."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
    mine = [p for pid in raylets for p in psutil.Process(pid).children(recursive=True)]
    return [p for p in mine if any("popen_loky" in part for part in p.cmdline())]


def test_a_worker_that_crashes_is_replaced_and_results_are_those_of_one_machine(
    nodes, videos, expected, tmp_path
):
    cluster, _ = nodes
    heard, killed = [], []

    def kill_one(event):
        heard.append(event)
        if event.name == "stage" and event.state == "started" and not killed:
            killed.append(event.target)
            for worker in worker_processes(cluster):
                os.kill(worker.pid, signal.SIGSEGV)

    assert run_on(cluster, videos, tmp_path, kill_one) == 2
    crashes = [event for event in heard if event.name == "failed" and event.kind == "crash"]
    assert killed[0] in {event.target for event in crashes}
    assert all("SIGSEGV" in event.reason and not event.final for event in crashes)
    assert contents(tmp_path / "out") == expected
    # What is done is done, wherever it is asked again.
    again = batch(videos, tmp_path / "out", in_cache(tmp_path), options=BatchOptions(workers=1))
    assert {item.target for item in again.plan.done} == set(GOOD)


def test_stages_that_want_a_gpu_are_computed_where_one_is_held(nodes, videos, expected, tmp_path):
    cluster, _ = nodes
    done, processes = [], {}

    def look(event):
        # What a process has in memory tells what it computed, and its environment what it holds.
        if event.name == "done":
            done.append(event)
        if len(done) == len(GOOD) and not processes:
            for process in worker_processes(cluster):
                libraries = " ".join(m.path for m in process.memory_maps(grouped=True))
                processes[process.environ()["CUDA_VISIBLE_DEVICES"]] = {
                    name for name in ("mediapipe", "minilm") if name in libraries
                }

    resources = {"faces": Share(gpus=1)}
    assert run_on(cluster, videos, tmp_path, look, resources) == 2
    assert processes == {"": {"minilm"}, "0": {"mediapipe"}}
    assert contents(tmp_path / "out") == expected
    # What a video took is told of all its workers.
    assert all({"face-tracks", "features-acoustic"} <= event.timings_s.keys() for event in done)


@dataclass(frozen=True)
class TwoStages:
    """Work of two stages, of which files tell; what a stage waits for comes from another video.

    ``apart``: the workers have no place in common, as with a cache on a disk of each machine.
    """

    folder: Path
    kinds: frozenset[str] = frozenset()
    apart: bool = False
    waits: tuple[tuple[str, str], ...] = ()

    def placed(self, kinds):
        return replace(self, kinds=kinds)

    @contextmanager
    def open(self):
        folder = Path(tempfile.mkdtemp(dir=self.folder)) if self.apart else self.folder

        def attempt(item, tell):
            for kind in ("faces", "speech"):
                if (folder / f"{item.target}.{kind}").exists():
                    continue
                if kind not in self.kinds:
                    raise Elsewhere(kind)
                here = f"{item.target}.{kind}.began"
                (folder / here).touch()
                for one, other in self.waits:
                    end_s = time.monotonic() + 60
                    while here == one and not (folder / other).exists():
                        assert time.monotonic() < end_s, f"{one} alone, without {other}"
                        time.sleep(0.05)
                (folder / f"{item.target}.{kind}").touch()
            return os.environ["CUDA_VISIBLE_DEVICES"]

        yield attempt


def on_two_roles(cluster, work, targets):
    """Return what an engine tells of each item, with stages of one kind on a GPU."""
    heard = {target: [] for target in targets}
    with RayEngine(
        cluster.address, resources={"speech": Share(gpus=1)}, policy=RetryPolicy(0)
    ) as engine:
        tasks = [Task(Item(target, target)) for target in targets]
        engine.run(work, tasks, lambda e: heard[e.item.target].append(e), threading.Event())
    return heard


def test_stages_of_one_video_overlap_those_of_another(nodes, tmp_path):
    """Each waits until the other has begun, which without overlap would never be."""
    gpu_stage, cpu_stage = "a.speech.began", "b.faces.began"
    work = TwoStages(tmp_path, waits=((gpu_stage, cpu_stage), (cpu_stage, gpu_stage)))
    for events in on_two_roles(nodes[0], work, ("a", "b")).values():
        began, succeeded = events
        assert (type(began), type(succeeded)) == (Began, Succeeded)
        assert (began.attempt, succeeded.attempt, succeeded.value) == (1, 1, "0")


def test_workers_without_a_cache_in_common_are_told(nodes, tmp_path):
    _, failed = on_two_roles(nodes[0], TwoStages(tmp_path, apart=True), ("a",))["a"]
    assert isinstance(failed, Failed)
    assert failed.failure.kind == "error"
    assert "--cache-dir" in failed.failure.reason


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


def test_two_kinds_of_workers_take_turns_where_there_is_room_for_one(nodes, tmp_path):
    cluster, second = nodes
    if second in cluster.worker_nodes:
        cluster.remove_node(second, allow_graceful=False)
    for events in on_two_roles(cluster, TwoStages(tmp_path), ("a", "b")).values():
        assert [type(event) for event in events] == [Began, Succeeded]


def test_no_cluster_is_one_sentence():
    with pytest.raises(StageError, match="no Ray cluster"), RayEngine("127.0.0.1:9"):
        pass
