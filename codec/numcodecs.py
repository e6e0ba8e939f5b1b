"""numcodecs: the codec `ppyr`, for Zarr format 2 and all else that numcodecs' registry serves.

    codec = numcodecs.get_codec({"id": "ppyr", "axes": "YXC", "effort": 5})

The registry finds it by itself where ppyr is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_bytes, ensure_ndarray, ndarray_copy
except ImportError as error:
    raise ImportError("ppyr.numcodecs needs numcodecs: pip install 'ppyr[zarr]'") from error

from ppyr.chunks import ChunkCodec
from ppyr.errors import ConfigurationError, UnsupportedImageError

Endian = Literal["little", "big"]


class Ppyr(Codec):  # type: ignore[misc] # numcodecs has no types
    """Lossless coding of images, and stacks of them, in the .ppyr format.

    Args:
        axes: a letter for each axis of an array: Y rows, X columns, C channels of an image, 1 to 4 of them;
            along all others images are stacked.
        effort: 1 (fast) to 9 (small), 5 by default.
        model: name or id of a likelihood model, in place of an effort.
        endian: byte order of samples of 16 bits, little or big. A chunk does not tell it.

    Raises:
        ConfigurationError: a setting has no such value.
    """

    codec_id = "ppyr"

    def __init__(
        self, axes: str, effort: int | None = None, model: str | None = None, endian: Endian = "little"
    ) -> None:
        if endian not in ("little", "big"):
            raise ConfigurationError(f"endian {endian!r}: give little or big", found=endian)
        self._chunks = ChunkCodec(axes, effort, model)
        self._endian = endian

    def encode(self, buf: Any) -> bytes:
        """Compress an array.

        Args:
            buf: of bool, uint8 or uint16 with these axes, or whatever has such a buffer.

        Raises:
            ConfigurationError: it has more or fewer axes, or the other byte order.
            UnsupportedImageError: it has samples of another type, more than 4 channels, or is in Fortran
                order, which `decode` would not know of.
        """
        array = ensure_ndarray(buf)
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            raise UnsupportedImageError(
                "the array is in Fortran order, and comes back in C order: give a copy in C order, and "
                "create Zarr arrays of format 2 with order='C'"
            )
        if array.dtype.kind == "u" and array.dtype.newbyteorder(self._endian) != array.dtype:
            raise ConfigurationError(
                f"samples of {array.dtype.str} are not {self._endian}-endian: give the codec the other one",
                expected=self._endian,
            )
        return self._chunks.encode(array)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decompress an array.

        Args:
            buf: what `encode` gave.
            out: a buffer of the size of the array, to which it is written.

        Returns:
            The array in C order, or `out` as an array.

        Raises:
            FormatError: the data are damaged, cut off, or of other axes.
            ImageTooLargeError: they hold more than `ppyr.decoding.DEFAULT_MAX_PIXELS` pixels.
            UnknownModelError: the model that they need is not installed.
        """
        array = self._chunks.decode(ensure_bytes(buf))
        return ndarray_copy(array.astype(array.dtype.newbyteorder(self._endian), copy=False), out)

    def get_config(self) -> dict[str, str | int]:
        """The configuration, with the id."""
        return {"id": self.codec_id, **self._chunks.config(), "endian": self._endian}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The codec of a configuration without the id.

        Raises:
            ConfigurationError: a setting is unknown or missing, or has no such value.
        """
        settings = dict(config)
        endian = settings.pop("endian", "little")
        chunks = ChunkCodec.from_config(settings)
        return cls(chunks.axes, chunks.effort, chunks.model, endian)

    def __repr__(self) -> str:
        settings = {name: value for name, value in self.get_config().items() if name != "id"}
        return f"Ppyr({', '.join(f'{name}={value!r}' for name, value in settings.items())})"
