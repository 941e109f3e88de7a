"""What workers of a cluster take, and how many there is room for; no Ray is needed to know."""

import pytest

from affect_pipe.commands.cluster import resources_of
from affect_pipe.pipeline.batch.ray_share import Share, roles_of, staff
from affect_pipe.pipeline.errors import StageError, UsageError
from affect_pipe.pipeline.placement import EVERY

CPU, GPU = Share(), Share(gpus=0.25)


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


@pytest.mark.parametrize(
    ("shares", "machines", "counts"),
    [
        ((CPU, GPU), ({"CPU": 8.0, "GPU": 1.0},), (4, 4)),
        ((CPU, GPU), ({"CPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}), (6, 4)),
        # A machine with a GPU is kept for those who want one.
        ((CPU, GPU), ({"CPU": 1.0, "GPU": 1.0}, {"CPU": 1.0}), (1, 1)),
        # Room for one or the other: in turns.
        ((CPU, GPU), ({"CPU": 1.0, "GPU": 1.0},), (1, 1)),
        ((Share(cpus=1 / 3),), ({"CPU": 1.0}, {"CPU": 2.0}), (9,)),
    ],
)
def test_how_many_of_each_a_cluster_has_room_for(shares, machines, counts):
    assert staff(shares, machines) == counts
    for machine in machines:
        assert all(value >= 0 for value in machine.values())


def test_a_share_that_fits_nowhere_is_one_sentence():
    with pytest.raises(StageError, match="num_gpus"):
        staff((CPU, GPU), [{"CPU": 64.0}])


def test_every_stage_is_done_by_exactly_one_role_and_fusion_by_all():
    deep = Share(gpus=0.5)
    roles = roles_of(CPU, {"speech": deep, "text": deep, "faces": GPU, "acoustic": CPU})
    assert [role.share for role in roles] == [CPU, GPU, deep]
    assert [role.kinds - {"fusion"} for role in roles] == [
        {"acoustic"},
        {"faces"},
        {"speech", "text"},
    ]
    assert all("fusion" in role.kinds for role in roles)
    assert [role.kinds for role in roles_of(CPU, {})] == [EVERY]
    (alone,) = roles_of(CPU, dict.fromkeys(EVERY, deep))
    assert (alone.share, alone.kinds) == (deep, EVERY)


def test_resources_as_they_are_written():
    found = resources_of(["speech, text:gpus=0.5", "faces:cpus=2,gpus=1"], 1 << 30)
    both = Share(1, 0.5, 1 << 30)
    assert found == {"speech": both, "text": both, "faces": Share(2, 1, 1 << 30)}


@pytest.mark.parametrize(
    "given",
    ["", "speech", "speech:", "speech:gpus", "speech:gpus=x", "speech:tpus=1", "text:cpus=nan",
     "speech:gpus=-1", "speech:cpus=0", "speech:cpus=1.5", "speech:gpus=inf",
     "speech,speech:gpus=1", "sp\0eech:gpus=1", "voice:gpus=1"],
)  # fmt: skip
def test_resources_that_cannot_be_read_are_one_sentence(given):
    with pytest.raises(UsageError):
        roles_of(CPU, resources_of([given]))
