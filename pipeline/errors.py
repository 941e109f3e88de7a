"""The exception tree: everything a user can cause derives from AffectPipeError."""


class AffectPipeError(Exception):
    """Base of every error a user can cause.

    The message is one sentence: what was given, what was expected, what to do.
    """

    exit_code = 1


class UsageError(AffectPipeError):
    """The request itself is wrong: a bad option, an unknown name, a file that does not exist."""

    exit_code = 2


class MediaError(AffectPipeError):
    """A media file exists but cannot be read as audio or video, or breaks a safety bound."""


class StageError(AffectPipeError):
    """The process that runs a stage died: a crash in a codec or a model, or too little memory."""


class TranscriptError(AffectPipeError):
    """A transcript cannot be read, or does not belong to this media."""


class TrainingError(AffectPipeError, ValueError):
    """A training came to nothing: its numbers stopped being finite."""


class CacheError(AffectPipeError):
    """The cache folder cannot be used."""


class CheckpointError(UsageError):
    """A checkpoint is unknown, unreadable, or does not fit the features at hand."""


class MissingDependencyError(AffectPipeError, ImportError):
    """An optional back end is not installed; the message names the extra to install."""


class MissingWeightsError(AffectPipeError):
    """Model weights are neither here nor within reach; the message says how to get them."""


class ResultError(AffectPipeError):
    """A result cannot be written, or a file is no whole result."""
