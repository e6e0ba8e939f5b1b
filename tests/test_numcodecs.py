"""The codec of numcodecs: by its entry point, on buffers of any kind, into buffers of any kind."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numcodecs.registry import get_codec

from ppyr.errors import ConfigurationError, FormatError, UnsupportedImageError
from ppyr.numcodecs import Ppyr

from .photograph import crop


def wide(byte_order: str) -> npt.NDArray[np.uint16]:
    return (crop(7, 9) * np.uint16(250)).astype(f"{byte_order}u2")


def test_the_registry_finds_it() -> None:
    codec = get_codec({"id": "ppyr", "axes": "YXC", "effort": 1})
    assert type(codec) is Ppyr
    np.testing.assert_array_equal(codec.decode(codec.encode(crop(7, 9))), crop(7, 9), strict=True)


def test_the_registry_loads_it_late() -> None:
    code = (
        "import sys, numcodecs; assert not {'ppyr', 'numba', 'torch'} & {*sys.modules}; "
        "codec = numcodecs.get_codec({'id': 'ppyr', 'axes': 'YX'}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("module", "package"), [("ppyr.numcodecs", "numcodecs.abc"), ("ppyr.zarr", "zarr.abc.codec")]
)
def test_a_package_that_is_missing_is_named(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'ppyr\[zarr\]'"):
        import_module(module)


@pytest.mark.parametrize(
    "codec", [Ppyr("YX"), Ppyr("TYXC", effort=9), Ppyr(axes="CYX", model="fast", endian="big")]
)
def test_configurations_come_back(codec: Ppyr) -> None:
    config = codec.get_config()
    assert config["id"] == Ppyr.codec_id == "ppyr"
    assert get_codec(json.loads(json.dumps(config))) == codec
    assert eval(repr(codec)) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert codec != Ppyr("YXC")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, "u1")])
def test_chunks_of_any_kind_are_decoded(kind: Any) -> None:
    codec = Ppyr("YXC", effort=1)
    np.testing.assert_array_equal(codec.decode(kind(codec.encode(crop(7, 9)))), crop(7, 9), strict=True)


def test_buffers_of_any_kind_are_encoded() -> None:
    codec, image = Ppyr("YXC", effort=1), crop(14, 18)
    data = codec.encode(image)
    assert codec.encode(memoryview(bytearray(image)).cast("B", image.shape)) == data
    np.testing.assert_array_equal(codec.decode(codec.encode(image[::2, ::-3])), image[::2, ::-3], strict=True)
    with pytest.raises(ConfigurationError, match="this one has 1"):
        codec.encode(image.tobytes())


def test_decode_writes_to_a_buffer() -> None:
    codec, image = Ppyr("YXC", effort=1), wide("<")
    data = codec.encode(image)
    array, flat, raw = np.empty_like(image), np.empty(image.size, image.dtype), bytearray(image.nbytes)
    for out in (array, flat, raw, memoryview(bytearray(image.nbytes))):
        assert np.asarray(codec.decode(data, out=out)).tobytes() == bytes(out) == image.tobytes()
    with pytest.raises(ValueError, match="reshape"):
        codec.decode(data, out=bytearray(image.nbytes + 1))


@pytest.mark.parametrize(("endian", "byte_order"), [("little", "<"), ("big", ">")])
def test_byte_orders_come_back(endian: Any, byte_order: str) -> None:
    codec, image = Ppyr("YXC", effort=1, endian=endian), wide(byte_order)
    back = codec.decode(codec.encode(image))
    assert back.tobytes() == image.tobytes()
    assert back.dtype == image.dtype
    with pytest.raises(ConfigurationError, match="give the codec the other one"):
        codec.encode(image.astype(image.dtype.newbyteorder()))


def test_fortran_order_is_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="Fortran order"):
        Ppyr("YX").encode(np.asfortranarray(crop(7, 9, gray=True)))


def test_damage_is_an_error() -> None:
    codec = Ppyr("TYX", effort=1)
    data = codec.encode(np.moveaxis(crop(7, 9), -1, 0).copy())
    for damaged in (b"", data[:-1], data[:40] + b"\0" + data[40:], bytes(len(data))):
        with pytest.raises(FormatError):
            codec.decode(damaged)


@pytest.mark.parametrize(
    "config", [{}, {"axes": "Y"}, {"axes": "YX", "bits": 8}, {"axes": "YX", "endian": "middle"}]
)
def test_other_settings_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        get_codec({"id": "ppyr", **config})
