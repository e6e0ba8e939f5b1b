"""Zarr format 3: the codec `ppyr`, from arrays to bytes.

    zarr.create_array(store, ..., serializer=PpyrCodec(axes="YXC", effort=5), compressors=None)

Zarr finds it by itself, where ppyr is installed, when it opens an array. For format 2 there is
`ppyr.numcodecs`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

try:
    from zarr.abc.codec import ArrayBytesCodec
except ImportError as error:
    raise ImportError("ppyr.zarr needs zarr of version 3: pip install 'ppyr[zarr]'") from error

from ppyr.chunks import ChunkCodec, Form
from ppyr.errors import ConfigurationError

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer, NDBuffer
    from zarr.core.array_spec import ArraySpec
    from zarr.core.chunk_grids import ChunkGrid
    from zarr.core.common import JSON
    from zarr.core.dtype.wrapper import ZDType

NAME = "ppyr"


@dataclass(frozen=True, init=False)
class PpyrCodec(ArrayBytesCodec):
    """Lossless coding of images, and stacks of them, in the .ppyr format.

    Args:
        axes: a letter for each axis of the array: Y rows, X columns, C channels of an image, 1 to 4 of them
            in a chunk; along all others images are stacked.
        effort: 1 (fast) to 9 (small), 5 by default.
        model: name or id of a likelihood model, in place of an effort.

    Raises:
        ConfigurationError: a setting has no such value.
    """

    is_fixed_size = False
    chunks: ChunkCodec

    def __init__(self, *, axes: str, effort: int | None = None, model: str | None = None) -> None:
        object.__setattr__(self, "chunks", ChunkCodec(axes, effort, model))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """The codec of its entry in zarr.json.

        Raises:
            ConfigurationError: a setting is unknown or missing, or has no such value.
        """
        configuration = data.get("configuration", {})
        if not isinstance(configuration, dict):
            raise ConfigurationError(f"configuration {configuration!r}: give an object", found=configuration)
        chunks = ChunkCodec.from_config(configuration)
        return cls(axes=chunks.axes, effort=chunks.effort, model=chunks.model)

    def to_dict(self) -> dict[str, JSON]:
        """Its entry in zarr.json."""
        return {"name": NAME, "configuration": {**self.chunks.config()}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before."""
        raise NotImplementedError

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """The codec itself, for arrays that have its axes and samples that are kept.

        Raises:
            ConfigurationError: the array has more or fewer axes.
            UnsupportedImageError: its samples are of another type.
        """
        self.chunks.check_type(_form(array_spec.shape, array_spec.dtype))
        return self

    def validate(self, *, shape: tuple[int, ...], dtype: ZDType[Any, Any], chunk_grid: ChunkGrid) -> None:
        """Check that the chunks of an array can be coded.

        Raises:
            ConfigurationError: the array has more or fewer axes.
            UnsupportedImageError: its samples are of another type, or chunks have more than 4 channels.
        """
        self.chunks.check_type(_form(shape, dtype))
        if chunk_shape := getattr(chunk_grid, "chunk_shape", None):  # a regular grid
            self.chunks.check(_form(chunk_shape, dtype))

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = await asyncio.to_thread(self.chunks.encode, chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        form = _form(chunk_spec.shape, chunk_spec.dtype)
        array = await asyncio.to_thread(self.chunks.decode, chunk_data.to_bytes(), form)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)


def _form(shape: tuple[int, ...], dtype: ZDType[Any, Any]) -> Form:
    return Form.of(shape, dtype.to_native_dtype())
