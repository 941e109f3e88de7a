"""A few broken recordings and transcripts through ``affect-pipe run``.

`benchmarks/fuzz.py` has 500. The files are made here, from the sample and a number each.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fuzz_corpus
from fuzz_corpus import GOOD_SRT, Case, make_case
from fuzz_runner import Sandbox, good_media

# One of each way to break a recording or a transcript.
NUMBERS = (0, 1, 2, 6, 9, 10, 15, 36)


@pytest.fixture(scope="module")
def media(ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return good_media(ffmpeg, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def sandbox(media, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("sandbox"), timeout_s=120.0)
    assert made.warm_up(media).code == 0
    yield made
    assert made.close() == ()


def case_of(what: str, suffix: str, data: bytes, **beside: str) -> Case:
    files = {f"case{suffix}": data, "case.srt": GOOD_SRT.encode()}
    files |= {f"case.{kind}": text.encode() for kind, text in beside.items()}
    return Case(what, f"case{suffix}", files)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_broken_file_is_a_result_or_a_sentence(number: int, sandbox, media) -> None:
    outcome = sandbox.run(make_case(number, media))
    assert outcome.defects == (), outcome


@pytest.mark.parametrize(
    ("mutation", "suffix", "seed"),
    [
        ("thousands_of_streams", ".mp4", 1),
        ("nested_boxes", ".mov", 0),
        ("long_tables", ".m4a", 3),
        ("turned", ".mp4", 0),
        ("late_packets", ".mkv", 2),
    ],
)
def test_absurd_metadata(mutation: str, suffix: str, seed: int, sandbox, media) -> None:
    mutate = getattr(fuzz_corpus, mutation)
    data = mutate(media[suffix], random.Random(seed))
    outcome = sandbox.run(case_of(mutation, suffix, data))
    assert outcome.defects == (), outcome


def test_the_same_number_is_the_same_case(media) -> None:
    for number in range(60):
        assert make_case(number, media) == make_case(number, media)


def test_the_runner_notices(media, tmp_path: Path) -> None:
    # A worker that takes too much memory, or too long, is found out and ended.
    greedy = Sandbox(tmp_path / "greedy", memory_bytes=2**20)
    (defect,) = greedy.run(make_case(0, media)).defects
    assert defect.startswith("took ")
    slow = Sandbox(tmp_path / "slow", timeout_s=0.2)
    assert slow.run(make_case(0, media)).defects == ("hung for 0.2 s",)
