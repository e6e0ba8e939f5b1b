"""Integer layers as PyTorch's float32 convolutions, exact by the bound that `Layer.check` proves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError
from ppyr.models.features import ZERO_POINT
from ppyr.models.gates import FORGET_SHIFT, GATE_SHIFT, SIGMOID, STATE_SHIFT, STATE_TANH, TANH
from ppyr.models.integer import Layer


class Torch:
    """The backend on the processor; its tensors are float32 (h, w, C).

    Raises:
        ModelError: PyTorch may round.
    """

    name = "torch"
    device = "cpu"
    threaded = True
    compiles = False

    def __init__(self) -> None:
        import torch

        precision = torch.get_float32_matmul_precision()
        if precision != "highest":
            raise ModelError(
                f"torch's float32 matmul precision is {precision!r} and may round: set it to 'highest'",
                expected="highest",
                found=precision,
            )
        # NNPACK's Winograd convolution is not exact. Its switch is global: a thread that put it back would do
        # so under the convolutions of the others.
        torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]
        self._torch = torch
        self._tanh, self._sigmoid, self._state_tanh = (
            torch.from_numpy(table.astype(np.float32)).to(self.device)
            for table in (TANH, SIGMOID, STATE_TANH)
        )

    def prepare(self, layer: Layer) -> tuple[Any, ...]:
        """See `Backend`."""
        weight, bias = (
            self._torch.from_numpy(array.astype(np.float32)) for array in (layer.weight, layer.bias)
        )
        scale = self._torch.from_numpy(np.ldexp(np.float32(1), -layer.shift.astype(np.int32)))
        weight = weight.to(self.device, memory_format=self._torch.channels_last)
        return weight, bias.to(self.device), scale.to(self.device), layer.zero_point, layer.limits

    def tensor(self, array: npt.NDArray[np.uint8]) -> Any:
        """See `Backend`."""
        tensor = self._torch.from_numpy(np.ascontiguousarray(array))
        return tensor.to(self.device).to(self._torch.float32)

    def sublattice(self, x: Any, row: int, column: int, step: int = 2) -> Any:
        """See `Backend`."""
        return x[row::step, column::step]

    def concatenate(self, parts: Sequence[Any]) -> Any:
        """See `Backend`."""
        return self._torch.cat(tuple(parts), 2)

    def pool(self, x: Any) -> Any:
        """See `Backend`."""
        return x.unflatten(1, (-1, 2)).unflatten(0, (-1, 2)).amax((1, 3))

    def enlarge(self, x: Any) -> Any:
        """See `Backend`."""
        return x.repeat_interleave(2, 0).repeat_interleave(2, 1)

    def gate(self, x: Any) -> Any:
        """See `Backend`."""
        a, b = x.long().chunk(2, 2)
        return self._byte(self._tanh[a] * self._sigmoid[b], GATE_SHIFT)

    def cell(self, x: Any, state: Any) -> tuple[Any, Any]:
        """See `Backend`."""
        into, keep, out, candidate = x.long().chunk(4, 2)
        kept = self._sigmoid[keep] * (state - ZERO_POINT) * (1 << FORGET_SHIFT)
        state = self._byte(kept + self._sigmoid[into] * self._tanh[candidate], STATE_SHIFT)
        return self._byte(self._state_tanh[state.long()] * self._sigmoid[out], GATE_SHIFT), state

    def _byte(self, value: Any, shift: int) -> Any:
        """Signed whole numbers below 2^24, shifted with halves rounded upwards, with the zero point."""
        return self._torch.floor((value + (1 << shift >> 1)) / (1 << shift)).add_(ZERO_POINT).clamp_(0, 255)

    def run(self, prepared: tuple[Any, ...], x: Any, skip: Any = None) -> Any:
        """See `Backend`."""
        weight, bias, scale, zero_point, limits = prepared
        with self._torch.inference_mode(), self._torch.autocast(self.device, enabled=False):
            x = x - zero_point if zero_point else x
            sums = self.convolve(x.permute(2, 0, 1).unsqueeze(0), weight, bias)
            sums = sums.squeeze(0).permute(1, 2, 0).mul_(scale)
            if skip is not None:
                sums.add_(skip)
            return sums.round_().clamp_(*limits)

    def convolve(self, images: Any, weight: Any, bias: Any) -> Any:
        """Sums (1, C_out, h, w) of images (1, C_in, h, w)."""
        return self._torch.nn.functional.conv2d(images, weight, bias, padding=weight.shape[-1] // 2)

    def array(self, tensor: Any) -> npt.NDArray[np.int16]:
        """See `Backend`."""
        array: npt.NDArray[np.int16] = tensor.to(self._torch.int16).contiguous().cpu().numpy()
        return array


class Cuda(Torch):
    """The same on a GPU.

    Tiles come from several threads, so that copies and entropy coding of one overlap with layers of another.
    cuDNN is passed by: it may choose Winograd's convolution or TF32, which round. What is called here is a
    matrix product in float32, of which the precision that is checked above tells.

    Raises:
        ModelError: there is no GPU that PyTorch can use.
    """

    name = "cuda"
    device = "cuda"
    threaded = False

    def __init__(self) -> None:
        import torch

        if not torch.cuda.is_available():
            raise ModelError("PyTorch finds no CUDA device here: use the backend auto", found=self.device)
        super().__init__()

    def convolve(self, images: Any, weight: Any, bias: Any) -> Any:
        """See `Torch.convolve`."""
        size = weight.shape[-1]
        edges = [size // 2, size // 2]
        return self._torch.ops.aten.thnn_conv2d(images, weight, [size, size], bias, [1, 1], edges)
