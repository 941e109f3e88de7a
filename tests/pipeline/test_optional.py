"""Lazy imports of back ends."""

import os
import subprocess
import sys

import pytest


def test_a_library_that_reports_to_its_makers_is_told_not_to(tmp_path):
    """ONNX Runtime from 1.29 on keeps a device number and events in the home folder."""
    pytest.importorskip("onnxruntime")
    code = (
        "from affect_pipe.pipeline.optional import require; "
        "require('onnxruntime', feature='this test'); "
        "import os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_", "CI"))}
    environment |= {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert list(tmp_path.rglob("*")) == []
