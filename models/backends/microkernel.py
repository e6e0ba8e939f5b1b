"""The inner loop of an integer layer, written in the vector instructions that multiply bytes.

Numba compiles everything else; what it can not express is the instruction that multiplies four unsigned
bytes by four signed ones and adds the products to a 32-bit sum, in every lane of a vector. `layer_block`
emits LLVM code that keeps a block of sums in registers::

                        lane: an output channel
                      0   1   2  ...            blocks x lanes output channels
    pixel 0         [sum sum sum ... ]
    pixel 1         [sum sum sum ... ]          sums += input bytes (the same four in all lanes) x weights
    ...

All sums are of integers in 32 bits, which the bound of `integer.Layer` keeps far from overflowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils as typed_cgutils
from numba.core import config as typed_config
from numba.extending import intrinsic

#: Binary digits of the lower part of weights that do not fit a byte; they come in two parts.
PART_BITS = 4
#: Vectors of output channels that are computed at once, at most.
BLOCKS = 4
PLAIN, SKIP, HEAD = 0, 1, 2

# Numba's own annotations do not cover these.
cgutils: Any = typed_cgutils
config: Any = typed_config
_INT8, _INT16, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


@dataclass(frozen=True)
class Instructions:
    """Vector instructions of a processor.

    Attributes:
        name: of the set.
        features: what LLVM calls those that are needed.
        lanes: 32-bit sums in a vector.
        sums: vectors of sums that fit into the registers, beside weights and input.
    """

    name: str
    features: tuple[str, ...]
    lanes: int
    sums: int


#: Fastest first. The last one has no instruction for all of it: two products are added in 16 bits, which
#: weights of at most 64 do not overflow.
INSTRUCTIONS = (
    Instructions("avx512vnni", ("avx512f", "avx512bw", "avx512vnni"), 16, 24),
    Instructions("avxvnni", ("avx2", "avxvnni"), 8, 12),
    Instructions("avx2", ("avx2",), 8, 8),
)


def _chosen() -> int | None:
    """Number of the fastest instructions that Numba compiles for here, None if there are none."""
    if config.CPU_FEATURES:
        features = {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    elif config.CPU_NAME:
        features = set()
    else:
        features = {name for name, present in llvm.get_host_cpu_features().items() if present}
    found = (number for number, one in enumerate(INSTRUCTIONS) if features.issuperset(one.features))
    return next(found, None)


CHOSEN = _chosen()


def _layer_block(_context: Any, _blocks: Any, _kind: Any, place: Any) -> Any:
    """Compute some channels of a layer for so many pixels in a row that their sums fit the registers.

    Args:
        _context: of Numba's typing.
        _blocks: vectors of output channels, 1 to `BLOCKS`.
        _kind: `PLAIN`, `SKIP` with a skip input, or `HEAD` with int16 as outputs.
        place: twelve int64. Five are addresses: of the input byte under the first weight of the first pixel;
            of weights, int8 (parts, size, size, groups, blocks, lanes, 4); of rules, int32
            (7, blocks, lanes): bias, shift to the right, half of its unit less 1, 1 where it is not 0, and
            for heads limits below and above and shift to the left; of the first pixel of the skip input and
            of the outputs. Then rows and columns of the convolution; parts of the weights, each worth
            2^PART_BITS times the next; groups of four input channels; and bytes from a row of the input to
            the next, and from a pixel to the next of the input, the skip input and the outputs.
    """
    if CHOSEN is None:  # Numba says then that there is no such function
        return None
    instructions = INSTRUCTIONS[CHOSEN]

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        case = builder.add(arguments[0], builder.mul(arguments[1], _INT64(BLOCKS)))
        done = builder.append_basic_block("done")
        switch = builder.switch(case, done)
        for kind, blocks in product((PLAIN, SKIP, HEAD), range(1, BLOCKS + 1)):
            with builder.goto_block(builder.append_basic_block("case")):
                switch.add_case(_INT64(blocks + BLOCKS * kind), builder.basic_block)
                emitter = _Emitter(instructions, blocks, kind)
                emitter.emit(builder, *cgutils.unpack_tuple(builder, arguments[2]))
                builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, place), generate


layer_block: Any = intrinsic(_layer_block)


class _Emitter:
    """Emits the code of `layer_block`."""

    def __init__(self, instructions: Instructions, blocks: int, kind: int) -> None:
        self._name, self._lanes, self._blocks = instructions.name, instructions.lanes, blocks
        self._pixels = instructions.sums // blocks
        self._skip, self._head = kind == SKIP, kind == HEAD
        self._sums = ir.VectorType(_INT32, self._lanes)
        self._bytes = ir.VectorType(_INT8, 4 * self._lanes)

    def emit(
        self,
        b: Any,
        inputs: Any,
        weights: Any,
        rules: Any,
        skips: Any,
        outputs: Any,
        size: Any,
        parts: Any,
        groups: Any,
        row: Any,
        pixel: Any,
        skip_pixel: Any,
        output_pixel: Any,
    ) -> None:
        zero = self._splat(0)
        sums = [[self._variable(b, zero) for _ in range(self._blocks)] for _ in range(self._pixels)]
        weight = self._variable(b, weights)
        with cgutils.for_range(b, parts):
            for one in (one for line in sums for one in line):
                b.store(b.shl(b.load(one), self._splat(PART_BITS)), one)
            with cgutils.for_range(b, size) as down, cgutils.for_range(b, size) as across:
                corner = b.add(inputs, b.add(b.mul(down.index, row), b.mul(across.index, pixel)))
                with cgutils.for_range(b, groups) as group:
                    four = b.add(corner, b.mul(group.index, _INT64(4)))
                    self._multiply(b, sums, b.load(weight), four, pixel)
                    b.store(b.add(b.load(weight), _INT64(4 * self._lanes * self._blocks)), weight)
        # Pixel by pixel: what is written beyond the channels of one is overwritten by the next.
        for number, line in enumerate(sums):
            skip = self._place(b, skips, skip_pixel, number)
            output = self._place(b, outputs, output_pixel, number)
            for block in range(self._blocks):
                self._finish(b, b.load(line[block]), block, rules, skip, output)

    def _multiply(self, b: Any, sums: list[list[Any]], weight: Any, four: Any, pixel: Any) -> None:
        """Add the products of four input channels of every pixel."""
        loaded = [
            self._load(b, weight, 4 * self._lanes * block, self._bytes, 4 * self._lanes)
            for block in range(self._blocks)
        ]
        undefined = ir.Constant(self._sums, ir.Undefined)
        for number, line in enumerate(sums):
            value = self._load(b, self._place(b, four, pixel, number), 0, _INT32, 1)
            first = b.insert_element(undefined, value, _INT32(0))
            everywhere = b.bitcast(b.shuffle_vector(first, undefined, self._splat(0)), self._bytes)
            for variable, other in zip(line, loaded, strict=True):
                b.store(self._dot(b, b.load(variable), everywhere, other), variable)

    def _dot(self, b: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
        """Sums plus the products of four bytes each."""
        if self._name == "avx2":
            words = ir.VectorType(_INT16, 2 * self._lanes)
            pairs = self._call(b, "avx2.pmadd.ub.sw", words, unsigned, signed)
            ones = ir.Constant(words, [1] * (2 * self._lanes))
            return b.add(sums, self._call(b, "avx2.pmadd.wd", self._sums, pairs, ones))
        factors = (b.bitcast(one, self._sums) for one in (unsigned, signed))
        return self._call(b, f"avx512.vpdpbusd.{32 * self._lanes}", self._sums, sums, *factors)

    def _finish(self, b: Any, sums: Any, block: int, rules: Any, skips: Any, outputs: Any) -> None:
        """Add bias and skip input, shift, round half to even, clamp and store the channels of a block."""
        bytes_, width = ir.VectorType(_INT8, self._lanes), 4 * self._lanes
        rule = [
            self._load(b, rules, (number * self._blocks + block) * width, self._sums, width)
            for number in range(7 if self._head else 4)
        ]
        bias, shift, half, one = rule[:4]
        value = b.add(sums, bias)
        if self._skip:
            skip = b.zext(self._load(b, skips, self._lanes * block, bytes_, 1), self._sums)
            value = b.add(value, b.shl(skip, shift))
        low, high = 0, 255
        if self._head:
            value = b.shl(self._clamped(b, value, *rule[4:6]), rule[6])
            low, high = -(1 << 15), (1 << 15) - 1
        odd = b.and_(b.ashr(value, shift), one)
        value = b.ashr(b.add(value, b.add(half, odd)), shift)
        value = self._clamped(b, value, self._splat(low), self._splat(high))
        stored = ir.VectorType(_INT16, self._lanes) if self._head else bytes_
        size = 2 if self._head else 1
        address = b.add(outputs, _INT64(size * self._lanes * block))
        b.store(b.trunc(value, stored), b.inttoptr(address, stored.as_pointer()), align=1)

    @staticmethod
    def _clamped(b: Any, value: Any, low: Any, high: Any) -> Any:
        value = b.select(b.icmp_signed(">", value, low), value, low)
        return b.select(b.icmp_signed("<", value, high), value, high)

    def _splat(self, value: int) -> Any:
        return ir.Constant(self._sums, [value] * self._lanes)

    @staticmethod
    def _variable(b: Any, value: Any) -> Any:
        variable = cgutils.alloca_once(b, value.type)
        b.store(value, variable)
        return variable

    @staticmethod
    def _place(b: Any, base: Any, step: Any, number: int) -> Any:
        return b.add(base, b.mul(step, _INT64(number)))

    @staticmethod
    def _load(b: Any, base: Any, offset: int, kind: Any, align: int) -> Any:
        pointer = b.inttoptr(b.add(base, _INT64(offset)), kind.as_pointer())
        return b.load(pointer, align=align)

    @staticmethod
    def _call(b: Any, name: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return b.call(cgutils.get_or_insert_function(b.module, kind, f"llvm.x86.{name}"), arguments)
