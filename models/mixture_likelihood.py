"""The mixtures of `mixture` in training: their likelihood, in float."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ppyr.bitstream.mixtures import SCALES

from .grid import MEAN_BITS, SCALES_PER_OCTAVE
from .likelihood import TOTAL
from .mixture import COUPLING_BITS, LOGIT_BITS, SMALLEST_SCALE, MixtureHead
from .quantization import straight_through


def first_biases(head: MixtureHead, bits: int) -> Tensor:
    """Biases that a head begins with, (outputs,), for samples of `bits` bits.

    Weights are even, free means are spread over the samples, and anchored components over scales.
    """
    free = head.components - head.anchored
    step = ((1 << bits) - 1) / max(free, 1)
    means = [0.0] * head.anchored + [step * (number + 0.5) for number in range(free)]
    scales = [4.0 + 24.0 * number / max(head.anchored, 1) for number in range(head.anchored)]
    scales += [SCALES_PER_OCTAVE * math.log2(max(step / 2, 1) / SMALLEST_SCALE)] * free
    logits, couplings = [0.0] * head.parts[0], [0.0] * head.parts[3]
    start = torch.tensor([*logits, *means * head.planes, *scales * head.planes, *couplings])
    units = torch.tensor([2.0**-digits for digits in head.bits])
    units[head.parts[0] : sum(head.parts[:2])] *= 2.0**MEAN_BITS
    return start * units


def steps_of(said: Tensor, head: MixtureHead, *, quantize: bool) -> Tensor:
    """A head's real outputs (B, outputs, h, w) in its integer steps, rounded to them if asked."""
    bits = torch.tensor(head.bits, device=said.device, dtype=said.dtype).view(-1, 1, 1)
    steps = said * torch.exp2(bits)
    return straight_through(steps, torch.round(steps)) if quantize else steps


def mixture_bits(steps: Tensor, anchors: Tensor, samples: Tensor, head: MixtureHead, bits: int) -> Tensor:
    """Information of samples in bits, (B, planes, h, w), with the floor that every table entry has.

    Args:
        steps: what the head says, (B, outputs, h, w), see `steps_of`.
        anchors: (B, planes, h, w), in sample values.
        samples: (B, planes, h, w).
        head: the layout of `steps`.
        bits: of a sample; 0 and 2^bits - 1 have all the probability beyond them.
    """
    alphabet = 1 << bits
    logits, means, scales, couplings = torch.split(steps, list(head.parts), 1)
    residuals = samples - anchors
    anchored = (torch.arange(head.components, device=steps.device) < head.anchored).view(-1, 1, 1)
    found = []
    for plane in range(head.planes):
        own = slice(plane * head.components, (plane + 1) * head.components)
        weights = torch.softmax(logits[:, own] / 2**LOGIT_BITS, 1)
        mean = means[:, own] / 2**MEAN_BITS + anchors[:, plane : plane + 1] * anchored
        for earlier in range(plane):
            first = (plane - 1 + earlier) * head.components
            share = couplings[:, first : first + head.components] / 2**COUPLING_BITS
            mean = mean + share * residuals[:, earlier : earlier + 1]
        scale = SMALLEST_SCALE * torch.exp2(scales[:, own].clamp(0, SCALES - 1) / SCALES_PER_OCTAVE)
        mass = (weights * _masses(samples[:, plane : plane + 1], mean, scale, alphabet)).sum(1)
        found.append(-torch.log2(mass * (1 - alphabet / TOTAL) + 1 / TOTAL))
    return torch.stack(found, 1)


def _masses(sample: Tensor, mean: Tensor, scale: Tensor, alphabet: int) -> Tensor:
    """Probability of samples (B, 1, h, w) under logistics (B, K, h, w)."""
    distance = sample - mean
    far = distance.abs()
    # Of the side away from the mean: there float32 holds small differences.
    inside = torch.sigmoid((0.5 - far) / scale) - torch.sigmoid((-0.5 - far) / scale)
    below, above = torch.sigmoid((distance + 0.5) / scale), torch.sigmoid((0.5 - distance) / scale)
    return torch.where(sample == 0, below, torch.where(sample == alphabet - 1, above, inside))
