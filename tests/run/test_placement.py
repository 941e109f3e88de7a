"""One video through workers that compute different stages, in turns, through one cache."""

import json
from itertools import cycle, islice

import pytest

from affect_pipe.api import Analyzer, RunSettings
from affect_pipe.pipeline.placement import EVERY, Elsewhere
from affect_pipe.pipeline.results.json_result import json_bytes

FIRST = frozenset({"faces", "acoustic", "fusion"})
SECOND = frozenset({"speech", "text", "fusion"})


def published(result):
    content = json.loads(json_bytes(result))
    del content["timings_s"]
    return content


def test_stages_are_computed_where_they_belong_and_the_result_is_the_same(clip, tmp_path):
    words = {"asr": "pocketsphinx"}
    with Analyzer(RunSettings(cache_dir=str(tmp_path / "one"), **words)) as analyzer:
        expected = published(analyzer(clip))
    settings = RunSettings(cache_dir=str(tmp_path / "shared"), **words)
    computed, wanted, result = [], [], None
    with (
        Analyzer(settings, kinds=FIRST) as first,
        Analyzer(settings, kinds=SECOND, frames_apart=False) as second,
    ):
        for worker in islice(cycle((first, second)), 4):
            here = []
            computed.append(here)

            def listen(event, here=here):
                assert event.state != "failed"
                if event.state == "computed":
                    here.append(event.stage)

            try:
                result = worker(clip, listen)
                break
            except Elsewhere as elsewhere:
                wanted.append(elsewhere.kind)
    assert result is not None
    assert published(result) == expected
    assert wanted == ["speech", "acoustic"]
    # The frames were looked at, although words were wanted at once.
    assert computed[0] == ["face-tracks"]
    assert {"speech", "features-text"} <= set(computed[1])
    assert {"features-acoustic", "features-visual", "fusion"} <= set(computed[2])
    assert not set(computed[1]) & {"face-tracks", "features-acoustic", "features-visual"}


def test_words_in_a_file_are_read_by_anyone(clip, tmp_path):
    settings = RunSettings(cache_dir=str(tmp_path / "cache"))
    with (
        Analyzer(settings, kinds=EVERY - {"speech", "text"}) as analyzer,
        pytest.raises(Elsewhere, match="text"),
    ):
        analyzer(clip)
