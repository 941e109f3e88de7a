"""No test reads or fills the user's folder of models."""

import pytest


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """The folder of models of one test."""
    folder = tmp_path / "models"
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder
