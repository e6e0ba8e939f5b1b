"""The backends of this machine, but for the reference."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest
import torch

from ppyr.models.backends.microkernel import CHOSEN, INSTRUCTIONS

_REASONS = {
    "int8": "" if CHOSEN is not None else "the processor has no AVX2",
    "torch": "",
    "cuda": "" if torch.cuda.is_available() else "PyTorch finds no CUDA device here",
}
HERE = [name for name, reason in _REASONS.items() if not reason]
#: All of them, those that are not here skipped.
ALL = [pytest.param(name, marks=pytest.mark.skipif(bool(why), reason=why)) for name, why in _REASONS.items()]


def _variables(features: tuple[str, ...]) -> dict[str, str]:
    names = ("sse2", "ssse3", "sse4.1", "sse4.2", "avx", "fma", "bmi", "bmi2", "popcnt", *features)
    return {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in names)}


#: Environments of processes whose Numba compiles for a processor that has these instructions and no better
#: ones; those that this processor lacks are left out.
OTHER_PROCESSORS = {
    one.name: _variables(one.features)
    for one in INSTRUCTIONS
    if all(llvm.get_host_cpu_features().get(name) for name in one.features)
}
