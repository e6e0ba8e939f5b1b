"""ppyr: a lossless image codec on learned likelihoods.

    data = ppyr.encode(image)          # (H, W) or (H, W, C) -> bytes; effort=1..9
    image = ppyr.decode(data)          # bit for bit the same

`encode` and `decode` work on bytes, `compress_file` and `decompress_file` on files, `open` on parts of them;
`info`, `read_metadata` and `verify` look at a file without giving its pixels back; `use_threads` says how
many threads work on an image, by default as many as there are processors. Every error raised on purpose is a
`PpyrError`. Importing this package loads neither torch nor numba: each function brings what it needs when it
is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ppyr.errors import (
    ChecksumError,
    FormatError,
    ImageTooLargeError,
    ModelError,
    NotPpyrError,
    OutputExistsError,
    PpyrError,
    TruncatedError,
    UnknownModelError,
    UnsupportedImageError,
    UnsupportedVersionError,
)

if TYPE_CHECKING:
    from ppyr.about import info, verify
    from ppyr.decoding import decode
    from ppyr.effort import encode
    from ppyr.files import compress_file, decompress_file
    from ppyr.metadata import Metadata, read_metadata
    from ppyr.opened import open  # noqa: A004
    from ppyr.pillow import register_pillow
    from ppyr.threads import use_threads

__version__ = "0.1.0"

__all__ = [
    "ChecksumError",
    "FormatError",
    "ImageTooLargeError",
    "Metadata",
    "ModelError",
    "NotPpyrError",
    "OutputExistsError",
    "PpyrError",
    "TruncatedError",
    "UnknownModelError",
    "UnsupportedImageError",
    "UnsupportedVersionError",
    "__version__",
    "compress_file",
    "decode",
    "decompress_file",
    "encode",
    "info",
    "open",
    "read_metadata",
    "register_pillow",
    "use_threads",
    "verify",
]

_LAZY = {
    "Metadata": "ppyr.metadata",
    "compress_file": "ppyr.files",
    "decode": "ppyr.decoding",
    "decompress_file": "ppyr.files",
    "encode": "ppyr.effort",
    "info": "ppyr.about",
    "open": "ppyr.opened",
    "read_metadata": "ppyr.metadata",
    "register_pillow": "ppyr.pillow",
    "use_threads": "ppyr.threads",
    "verify": "ppyr.about",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
