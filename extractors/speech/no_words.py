"""For media whose words are known already: no recogniser at all."""

from __future__ import annotations

from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.records import StageSpec, Transcript


class NoWords:
    """A recogniser that hears nothing and needs nothing."""

    def spec(self) -> StageSpec:
        """Name it."""
        return StageSpec(stage="speech", extractor="none", version="1")

    def transcribe(self, source: Source) -> Transcript:
        """Return no words, whatever is said."""
        return Transcript((), "none")

    def signed(self, transcript: Transcript) -> Transcript:
        """Return it as it is: there is nobody to name."""
        return transcript
