"""What stands beside the picture: sentiment, emotions, action units, what was seen and heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.action_unit_names import ACTION_UNIT_NAMES
from affect_pipe.pipeline.overlay import colours
from affect_pipe.pipeline.overlay.captions import wrap
from affect_pipe.pipeline.overlay.fonts import needed
from affect_pipe.pipeline.overlay.sheet import Bar, Sheet
from affect_pipe.pipeline.overlay.writing import Colour, Pen, clean
from affect_pipe.pipeline.records import (
    MODALITIES,
    ClassPrediction,
    EmotionPrediction,
    Modality,
    UtterancePrediction,
    VideoResult,
)

Image = npt.NDArray[np.uint8]

MAX_INTENSITY = 3.0
MIN_UNITS = 4
"""Action units there is room for, at least."""
_MAX_EMOTIONS = 12
_SAID: Mapping[Modality, str] = {"text": "words", "acoustic": "voice", "visual": "face"}
_NO_UTTERANCE = "no utterance"
_NO_SPEECH, _NO_SOUND = "no speech was found", "there is no sound"
_REASON_LINES = 2
_GAP = 0.5  # of a line, between groups


class Panel:
    """Draws the panel of each utterance; action units are left as grooves, to be filled per frame.

    Parameters
    ----------
    result : VideoResult
    pen : Pen
    unit_names : tuple of str
        Action units to show, most telling first; those there is room for are.
    no_units : str
        What is said where there are none.
    """

    def __init__(
        self, result: VideoResult, pen: Pen, unit_names: Sequence[str], no_units: str
    ) -> None:
        self._result = result
        self._pen = pen
        self._unit_names = tuple(unit_names)
        self._no_units = no_units
        self._emotions = _shown_emotions(result)
        outputs = result.model.outputs
        self._levels = [n for n in ("arousal", "valence") if getattr(outputs, n) is not None]
        self._size = (0, 0)
        self._units: tuple[str, ...] = ()
        self.unit_bars: tuple[Bar, ...] = ()
        self.unit_header: Bar = Bar(0, 0, 0, 0)

    def least_height(self) -> int:
        """Height in pixels that it needs."""
        units = min(len(self._unit_names), MIN_UNITS) or 1
        return round((self._fixed_lines() + units) * self._pen.line_px)

    def _fixed_lines(self) -> float:
        """Lines of everything but the action units."""
        outputs = self._result.model.outputs
        lines = 1.6 + 1 + _GAP + 1 + _REASON_LINES  # title, header of units, modalities
        if outputs.sentiment is not None:
            lines += 2 + _GAP
        if self._emotions:
            lines += 1 + len(self._emotions) + _GAP
        if self._levels:
            lines += len(self._levels) + _GAP
        return lines + (1 if outputs.evidence else 0)

    def resize(self, width_px: int, height_px: int) -> tuple[str, ...]:
        """Set the size of the panel; return the action units there is room for, in their order."""
        self._size = (width_px, height_px)
        room = int(height_px / self._pen.line_px - self._fixed_lines())
        chosen = set(self._unit_names[: max(room, 0)])
        self._units = tuple(sorted(chosen))
        return self._units

    def draw(self, row: int | None) -> Image:
        """Draw the panel of one utterance, or of nobody speaking.

        Returns
        -------
        uint8 [height, width, 3]
        """
        width, height = self._size
        image = needed("PIL.Image").new("RGB", (width, height), colours.BACK)
        sheet = Sheet(needed("PIL.ImageDraw").Draw(image), self._pen, width)
        prediction = None if row is None else self._result.prediction.utterances[row]
        self._title(sheet, row, prediction)
        if self._result.model.outputs.sentiment is not None:
            self._sentiment(sheet, prediction)
        if self._emotions:
            self._emotion_bars(sheet, prediction)
        if self._levels:
            self._level_lines(sheet, prediction)
        self._unit_grooves(sheet)
        self._evidence(sheet, row, prediction)
        return np.array(image, np.uint8)

    def _title(self, sheet: Sheet, row: int | None, prediction: UtterancePrediction | None) -> None:
        n = len(self._result.features.utterances)
        sheet.skip(0.3)
        if row is None:
            silent = _NO_SPEECH if self._result.media.audio is not None else _NO_SOUND
            sheet.line(_NO_UTTERANCE if n else silent, colours.DIM)
        else:
            judged = "" if prediction is not None else ": not judged"
            sheet.line(f"utterance {row + 1} of {n}{judged}", colours.DIM)
        sheet.skip(0.3)

    def _sentiment(self, sheet: Sheet, prediction: UtterancePrediction | None) -> None:
        label, intensity = "", None
        colour = colours.NEUTRAL
        if prediction is not None:
            intensity = prediction.sentiment_intensity
            label = prediction.sentiment_label or ""
            probability = prediction.sentiment_probabilities.get(label)
            if probability is not None:
                label = f"{label} {100 * probability:.0f} %"
            colour = _sentiment_colour(prediction)
        sheet.line("sentiment", colours.TEXT, right=label, right_colour=colour)
        sheet.meter(intensity, MAX_INTENSITY, colour)
        sheet.skip(_GAP)

    def _emotion_bars(self, sheet: Sheet, prediction: UtterancePrediction | None) -> None:
        sheet.line("emotions", colours.TEXT)
        for name in self._emotions:
            found = prediction.emotions.get(name) if prediction is not None else None
            share, value = _emotion_bar(found)
            felt = found is not None and bool(found.present)
            sheet.bar(
                clean(name),
                share,
                colours.FELT if felt else colours.NOT_FELT,
                value,
                label_colour=colours.TEXT if felt else colours.DIM,
            )
        sheet.skip(_GAP)

    def _level_lines(self, sheet: Sheet, prediction: UtterancePrediction | None) -> None:
        for name in self._levels:
            found: ClassPrediction | None = getattr(prediction, name, None)
            said = ""
            if found is not None:
                said = f"{found.label} {100 * found.probabilities[found.label]:.0f} %"
            sheet.line(name, colours.TEXT, right=said, right_colour=colours.DIM)
        sheet.skip(_GAP)

    def _unit_grooves(self, sheet: Sheet) -> None:
        self.unit_header = sheet.header("action units", colours.TEXT)
        if not self._units:
            sheet.line(self._no_units, colours.DIM)
        self.unit_bars = tuple(
            sheet.groove(f"{name.removeprefix('AU')} {ACTION_UNIT_NAMES.get(name, '')}")
            for name in self._units
        )
        sheet.skip(_GAP)

    def _evidence(
        self, sheet: Sheet, row: int | None, prediction: UtterancePrediction | None
    ) -> None:
        blocks = self._result.features.blocks
        marks: list[tuple[str, Colour]] = []
        reasons = []
        for modality in MODALITIES:
            said, block = _SAID[modality], blocks.get(modality)
            if block is None or row is None:
                marks.append((said, colours.DIM))
            elif block.present[row]:
                marks.append((f"{said} \N{CHECK MARK}", colours.FELT))
            else:
                marks.append((f"{said} \N{BALLOT X}", colours.WARNING))
                # Why there are no words is said where they would be.
                if modality != "text":
                    reasons.append(f"{said}: {clean(block.reasons[row] or '')}")
        sheet.side_by_side(marks)
        lines = wrap("; ".join(reasons), self._pen, sheet.width)
        if len(lines) > _REASON_LINES:
            lines = [*lines[: _REASON_LINES - 1], " ".join(lines[_REASON_LINES - 1 :])]
        for line in lines:
            sheet.line(line, colours.WARNING)
        sheet.skip(_REASON_LINES - len(lines))
        evidence = None if prediction is None else prediction.evidence
        if evidence is not None and not evidence.sufficient:
            why = clean(", ".join(evidence.reasons))
            sheet.line(f"little evidence: {why}", colours.WARNING)


def _shown_emotions(result: VideoResult) -> tuple[str, ...]:
    """Return the emotions to show, in the model's order; of very many, the likeliest."""
    names = result.model.outputs.emotions or ()
    if len(names) <= _MAX_EMOTIONS:
        return names
    judged = [p for p in result.prediction.utterances if p is not None]
    peak = {n: max((_emotion_bar(p.emotions.get(n))[0] for p in judged), default=0) for n in names}
    likeliest = set(sorted(names, key=lambda n: -peak[n])[:_MAX_EMOTIONS])
    return tuple(name for name in names if name in likeliest)


def _emotion_bar(found: EmotionPrediction | None) -> tuple[float, str]:
    """Length of an emotion's bar in [0, 1], and what is written beside it."""
    if found is None:
        return 0.0, ""
    said = "" if found.intensity is None else f"{found.intensity:.1f}"
    if found.probability is not None:
        return found.probability, said
    return min(max((found.intensity or 0.0) / MAX_INTENSITY, 0.0), 1.0), said


def _sentiment_colour(prediction: UtterancePrediction) -> Colour:
    known = {"negative": colours.NEGATIVE, "positive": colours.POSITIVE, "neutral": colours.NEUTRAL}
    if prediction.sentiment_label in known:
        return known[prediction.sentiment_label]
    intensity = prediction.sentiment_intensity or 0.0
    if intensity == 0:
        return colours.NEUTRAL
    return colours.POSITIVE if intensity > 0 else colours.NEGATIVE
