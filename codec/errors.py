"""The one tree of errors that ppyr raises on purpose.

Everything derives from `PpyrError`, so a caller that handles files of others needs one `except`. The data
behind a message are attributes; a message says what is wrong and ends with what to do.
"""

from __future__ import annotations


class PpyrError(Exception):
    """Base of all errors of ppyr.

    Attributes, each None where it does not apply:
        offset: byte offset in the file, or in the stream where the message says so, of what is wrong.
        expected: the value that a correct file or argument has there.
        found: the value that is there.
    """

    def __init__(
        self, message: str, *, offset: int | None = None, expected: object = None, found: object = None
    ) -> None:
        super().__init__(message)
        self.offset = offset
        self.expected = expected
        self.found = found


class FormatError(PpyrError, ValueError):
    """The data are not a correct .ppyr file."""


class NotPpyrError(FormatError):
    """The data do not start with the signature of a .ppyr file."""


class TruncatedError(FormatError):
    """The data end before the file is complete."""


class ChecksumError(FormatError):
    """A checksum or a pixel digest does not match: the data were damaged."""


class UnsupportedVersionError(FormatError):
    """The file needs a version of ppyr that knows more than this one."""


class UnknownModelError(PpyrError):
    """The file names a model that is not installed here."""


class UnsupportedImageError(PpyrError, ValueError):
    """The image is of a kind that can not be stored without changing it."""


class ImageTooLargeError(PpyrError):
    """The image has more pixels than the limit allows."""


class ModelError(PpyrError):
    """A model file or a backend breaks the rules that make decoding exact."""


class ConfigurationError(PpyrError, ValueError):
    """A configuration of training has a setting that is unknown, missing or out of range."""


class OutputExistsError(PpyrError):
    """The output is there already and may not be replaced."""
