"""What the fields of a label file's row must be, in each of the layouts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from affect_pipe.fusion.config import EMOTION_CLASSES, LEVELS, NO_EMOTION, SENTIMENTS
from affect_pipe.fusion.datasets.corpus import SPLIT_NAMES
from affect_pipe.fusion.datasets.files import Split
from affect_pipe.fusion.encoding import MAX_INTENSITY
from affect_pipe.pipeline.results.csv_result import restore

# Words of common label sets for the seven classes.
EMOTION_NAMES: dict[str, str] = {
    **{name: name for name in EMOTION_CLASSES},
    **dict.fromkeys(("angry",), "anger"),
    **dict.fromkeys(("disgusted",), "disgust"),
    **dict.fromkeys(("fearful", "afraid"), "fear"),
    **dict.fromkeys(("joy", "happiness", "joyful"), "happy"),
    **dict.fromkeys(("sadness",), "sad"),
    **dict.fromkeys(("surprised",), "surprise"),
    **dict.fromkeys(("neutral", "none", "no_emotion", "no emotion"), NO_EMOTION),
}


def number_between(low: float, high: float) -> Callable[[Any], float]:
    """Make a check that a value is a number in ``[low, high]``."""

    def check(value: Any) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return check


def _inside_name(value: Any) -> str:
    name = str(value).replace("\\", "/")
    path = PurePosixPath(name)
    # A drive letter is absolute on Windows alone, and no name of a video anywhere.
    strange = path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name)
    if strange or not path.parts or "\0" in name or not name.isprintable():
        raise ValueError
    return path.as_posix()


def _sentiment(value: Any) -> float | str:
    name = str(value).strip().lower()
    return name if name in SENTIMENTS else number_between(-MAX_INTENSITY, MAX_INTENSITY)(value)


def _choice(names: Mapping[str, Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        name = str(value).strip().lower()
        if name not in names:
            raise ValueError
        return names[name]

    return check


def _clock(value: Any) -> float:
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:[.,]\d+)?)", str(value).strip())
    if match is None:
        raise ValueError
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3].replace(",", "."))


_LEVEL_NAMES = {name: index for index, name in enumerate(LEVELS)} | {
    str(index): index for index in range(len(LEVELS))
}
_Name = Annotated[str, BeforeValidator(_inside_name)]
_NAME_WANTED = "the name of a video inside the folder, without .. and not absolute"
_Seconds = Annotated[float, BeforeValidator(number_between(0, 1e7))]
_Rating = Annotated[float, BeforeValidator(number_between(-1, 1))]
_Level = Annotated[int, BeforeValidator(_choice(_LEVEL_NAMES))]
_LEVEL_WANTED = f"a class 0 to {len(LEVELS) - 1} or one of {', '.join(LEVELS)}"
_Split = Annotated[Split, BeforeValidator(_choice(SPLIT_NAMES))]
_SPLIT_WANTED = "train, dev (or valid) or test"
_Emotion = Annotated[str, BeforeValidator(_choice(EMOTION_NAMES))]
_EMOTION_WANTED = f"one of {', '.join(EMOTION_CLASSES)}"
_SentimentName = Annotated[
    int, BeforeValidator(_choice({name: index for index, name in enumerate(SENTIMENTS)}))
]
# As label files and results protect spreadsheets from formulas.
_Cell = Annotated[str, BeforeValidator(restore)]
_Whole = Annotated[int, Field(ge=0, le=10**9)]


class Row(BaseModel):
    """Each field's description is what a message says was expected."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class OwnRow(Row):
    """A row of a user's own file."""

    video: _Name = Field(description=_NAME_WANTED)
    start_s: _Seconds | None = Field(default=None, description="seconds, 0 or more")
    end_s: _Seconds | None = Field(default=None, description="seconds, 0 or more")
    segment: _Name | None = Field(default=None, description=_NAME_WANTED.replace("video", "clip"))
    text: _Cell | None = None
    speaker: _Cell | None = None
    split: _Split | None = Field(default=None, description=_SPLIT_WANTED)
    sentiment: Annotated[float | str, BeforeValidator(_sentiment)] | None = Field(
        default=None, description=f"a number in [-3, 3] or one of {', '.join(SENTIMENTS)}"
    )
    sentiment_class: _SentimentName | None = Field(
        default=None, description=f"one of {', '.join(SENTIMENTS)}"
    )
    emotion: _Emotion | None = Field(default=None, description=_EMOTION_WANTED)
    arousal: _Rating | None = Field(default=None, description="a rating in [-1, 1]")
    valence: _Rating | None = Field(default=None, description="a rating in [-1, 1]")
    arousal_class: _Level | None = Field(default=None, description=_LEVEL_WANTED)
    valence_class: _Level | None = Field(default=None, description=_LEVEL_WANTED)


class MmsaRow(Row):
    """A row of MMSA's ``label.csv``."""

    video_id: _Name = Field(description=_NAME_WANTED)
    clip_id: _Name = Field(description=_NAME_WANTED.replace("video", "clip"))
    text: str | None = None
    label: float = Field(description="a number")
    mode: _Split | None = Field(default=None, description=_SPLIT_WANTED)


class MeldRow(Row):
    """A row of MELD's CSV files."""

    utterance: str = Field(alias="Utterance", description="text")
    speaker: str = Field(alias="Speaker", description="a name")
    emotion: _Emotion = Field(alias="Emotion", description=_EMOTION_WANTED)
    sentiment: _SentimentName = Field(
        alias="Sentiment", description=f"one of {', '.join(SENTIMENTS)}"
    )
    dialogue: _Whole = Field(alias="Dialogue_ID", description="a whole number, 0 or more")
    place: _Whole = Field(alias="Utterance_ID", description="a whole number, 0 or more")
    start: Annotated[float, BeforeValidator(_clock)] | None = Field(
        default=None, alias="StartTime", description="a time like 00:20:57,256"
    )
    end: Annotated[float, BeforeValidator(_clock)] | None = Field(
        default=None, alias="EndTime", description="a time like 00:20:57,256"
    )
