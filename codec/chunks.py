"""Arrays of two axes or more as chunks of .ppyr files: what the codecs for Zarr and numcodecs share.

A letter names each axis: Y rows, X columns and C, if there is one, the channels of an image; along all others
images are stacked. A chunk without a stack is a .ppyr file, one with a stack is a `ppyr.stacks`.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.container import Header, read_header
from ppyr.decoding import DEFAULT_MAX_PIXELS, check_size, decode
from ppyr.effort import DEFAULT_EFFORT, chosen, encode
from ppyr.errors import ConfigurationError, FormatError, UnsupportedImageError
from ppyr.stacks import pack_stack, unpack_stack

ROWS, COLUMNS, CHANNELS = "YXC"
MOST_CHANNELS = 4
SETTINGS = {"axes": str, "effort": int, "model": str}
#: Types of samples by the most bits they have in a .ppyr file.
TYPES = {1: np.dtype(np.bool_), 8: np.dtype(np.uint8), 16: np.dtype(np.uint16)}


class Form(NamedTuple):
    """What an array is without its samples; whole numbers in the machine's byte order."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Self:
        """That of an array whose samples have any byte order."""
        return cls(shape, dtype.newbyteorder("=") if dtype.kind == "u" else dtype)


@dataclass(frozen=True)
class ChunkCodec:
    """How arrays become chunks.

    Attributes:
        axes: a letter for each axis of an array: Y, X, and any others.
        effort: 1 (fast) to 9 (small), 5 by default.
        model: name or id of a likelihood model, in place of an effort.

    Raises:
        ConfigurationError: the axes are no such letters, the effort is out of range, or both it and a model
            are given.
    """

    axes: str
    effort: int | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        letters = set(self.axes)
        if len(letters) < len(self.axes) or not {ROWS, COLUMNS} <= letters <= set(string.ascii_uppercase):
            raise ConfigurationError(
                f"axes {self.axes!r}: give a letter of A to Z for each axis, each once, with Y for rows and "
                "X for columns, such as 'YX', 'YXC' or 'TYX'",
                found=self.axes,
            )
        chosen(self.effort, self.model)
        if self.model is None and self.effort is None:
            object.__setattr__(self, "effort", DEFAULT_EFFORT)

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """The codec of a configuration as JSON has it.

        Raises:
            ConfigurationError: a setting is unknown or missing, or has no such value.
        """
        for name, value in config.items():
            if name not in SETTINGS:
                raise ConfigurationError(
                    f"setting {name!r}: there is none, give some of {', '.join(SETTINGS)}",
                    expected=tuple(SETTINGS),
                    found=name,
                )
            if type(value) is not SETTINGS[name]:
                raise ConfigurationError(f"{name} {value!r}: give {SETTINGS[name].__name__}", found=value)
        if "axes" not in config:
            raise ConfigurationError("the setting axes is missing: give it, such as 'YXC'")
        return cls(**cast(Mapping[str, Any], config))

    def config(self) -> dict[str, str | int]:
        """The configuration for `from_config`."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def check_type(self, form: Form) -> None:
        """Check that arrays have the axes, and samples that are kept.

        Raises:
            ConfigurationError: there are more or fewer axes.
            UnsupportedImageError: the samples are of another type.
        """
        if len(form.shape) != len(self.axes):
            raise ConfigurationError(
                f"axes {self.axes!r} are those of arrays of {len(self.axes)} dimensions, and this one has "
                f"{len(form.shape)}: give a letter for each",
                expected=len(self.axes),
                found=len(form.shape),
            )
        if form.dtype not in TYPES.values():
            raise UnsupportedImageError(
                f"samples of {form.dtype} can not be kept: store bool, uint8 or uint16; shift signed ones to "
                "be positive, and round others, before",
                found=str(form.dtype),
            )

    def check(self, form: Form) -> None:
        """Check that a chunk can be coded.

        Raises:
            ConfigurationError: it has more or fewer axes.
            UnsupportedImageError: it has samples of another type, none at all, or too many channels.
        """
        self.check_type(form)
        if 0 in form.shape:
            raise UnsupportedImageError(f"an array of shape {form.shape} is empty: leave it out")
        if CHANNELS in self.axes and (count := form.shape[self.axes.index(CHANNELS)]) > MOST_CHANNELS:
            raise UnsupportedImageError(
                f"a chunk has {count} channels, and an image at most {MOST_CHANNELS}: make chunks smaller "
                "along axis C, or name it by another letter, so that each channel is an image of its own",
                expected=MOST_CHANNELS,
                found=count,
            )

    def encode(self, array: npt.NDArray[Any]) -> bytes:
        """A chunk of an array, of either byte order and any strides.

        Raises:
            ConfigurationError, UnsupportedImageError: see `check`.
            UnknownModelError: there is no such model.
            ModelError: the model does not compute exactly here.
        """
        form = Form.of(array.shape, array.dtype)
        self.check(form)
        stack = array.transpose(self._order).astype(form.dtype, copy=False)
        sizes = stack.shape[: len(self._stacked)]
        files = self._files(stack.reshape(-1, *stack.shape[len(sizes) :]))
        return pack_stack(sizes, files) if sizes else next(files)

    def _files(self, images: npt.NDArray[Any]) -> Iterator[bytes]:
        """The files of images (N, H, W) or (N, H, W, C), b"" for one that is that before it."""
        bit_depth = 1 if images.dtype == np.bool_ else None
        previous = None
        for image in images:
            if previous is not None and np.array_equal(image, previous):
                yield b""
            else:
                samples = image.astype(np.uint8) if bit_depth else image
                yield encode(samples, bit_depth=bit_depth, effort=self.effort, model=self.model)
            previous = image

    def decode(self, data: bytes, expected: Form | None = None) -> npt.NDArray[Any]:
        """The array of a chunk.

        Args:
            data: the chunk.
            expected: what the array must be; by default any with at most `DEFAULT_MAX_PIXELS` pixels.

        Returns:
            The array in C order and the machine's byte order.

        Raises:
            FormatError: the chunk is damaged, cut off, or no such array's.
            ImageTooLargeError: it has more than `DEFAULT_MAX_PIXELS` pixels, and nothing was expected.
            UnknownModelError: the model that it needs is not installed.
            ModelError: the model does not compute exactly here.
        """
        sizes, files = unpack_stack(data, len(self._stacked)) if self._stacked else ((), [data])
        header = read_header(files[0])
        form = self._form(sizes, header)
        if expected is None:
            check_size(header.width * math.prod(sizes), header.height, DEFAULT_MAX_PIXELS)
        elif form != expected:
            raise FormatError(
                f"the chunk holds {form.dtype} of shape {form.shape}, and the array has {expected.dtype} of "
                f"shape {expected.shape}: get a fresh copy of chunk and metadata",
                expected=expected,
                found=form,
            )
        images: npt.NDArray[Any] = np.empty(
            (len(files), header.height, header.width, header.channels), form.dtype
        )
        for number, file in enumerate(files):
            if not file:
                images[number] = images[number - 1]
            elif read_header(file).raster != header.raster:
                raise FormatError("the images of the chunk are of several kinds: get a fresh copy")
            else:
                images[number] = decode(file, max_pixels=None).reshape(images.shape[1:])
        stack = images.reshape([form.shape[axis] for axis in self._order])
        return np.ascontiguousarray(stack.transpose(np.argsort(self._order)))

    def _form(self, sizes: tuple[int, ...], header: Header) -> Form:
        """Of the array in a chunk, by sizes of its stack and the header of a file."""
        if CHANNELS not in self.axes and header.channels > 1:
            raise FormatError(
                f"the chunk has {header.channels} channels, and the axes {self.axes!r} none: give the axes "
                "that it was written with",
                found=header.channels,
            )
        along = dict(zip(self._stacked, sizes, strict=True))
        along |= {ROWS: header.height, COLUMNS: header.width, CHANNELS: header.channels}
        dtype = next(dtype for bits, dtype in TYPES.items() if header.bit_depth <= bits)
        return Form(tuple(along[letter] for letter in self.axes), dtype)

    @property
    def _stacked(self) -> str:
        """The axes along which images are stacked."""
        return "".join(letter for letter in self.axes if letter not in (ROWS, COLUMNS, CHANNELS))

    @property
    def _order(self) -> list[int]:
        """The axes of an array as those of a stack of images: stacked, rows, columns, channels."""
        letters = [*self._stacked, ROWS, COLUMNS, CHANNELS]
        return [self.axes.index(letter) for letter in letters if letter in self.axes]
