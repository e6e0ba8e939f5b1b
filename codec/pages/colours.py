"""Numbers as colours: a scale that is read without telling red from green, and by lightness alone.

The anchors are those of viridis (S. van der Walt and N. Smith, matplotlib, CC0).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ANCHORS = ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725")
#: Steps of the scale; more would make pictures larger, and are not told apart.
STEPS = 64


def palette() -> npt.NDArray[np.uint8]:
    """The colours of all steps, (STEPS, 3)."""
    anchors = np.array([list(bytes.fromhex(anchor)) for anchor in ANCHORS], np.float64)
    places = np.linspace(0, len(anchors) - 1, STEPS)
    planes = [np.interp(places, np.arange(len(anchors)), plane) for plane in anchors.T]
    found: npt.NDArray[np.uint8] = np.rint(np.stack(planes, 1)).astype(np.uint8)
    return found


def steps_of(values: npt.NDArray[np.float64], top: float) -> npt.NDArray[np.uint8]:
    """The steps of values of 0 and more; `top` and all above have the last one."""
    return np.minimum(values * (STEPS / top), STEPS - 1).astype(np.uint8)


def top_of(values: npt.NDArray[np.float64]) -> float:
    """A round number that hardly any value exceeds, at least 1."""
    wanted = max(1.0, float(np.quantile(values, 0.998)))
    power = 10.0 ** np.floor(np.log10(wanted))
    rounded = (factor * power for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    return float(next(value for value in rounded if value >= wanted))
