"""Images to .ppyr data, in memory.

Encoder and decoder are one walk over the levels, coarse to fine: the model says how each step's fine values
are distributed, and a coder either writes them or reads them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ppyr.bitstream.container import DIGEST_SIZE, Container, Layout, pack
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import Samples
from ppyr.bitstream.tables import TableSet
from ppyr.geometry import Level, shapes
from ppyr.models import predictor
from ppyr.models.changes import Change, apply_changes, pack_changes
from ppyr.models.depth import BYTES, Depth
from ppyr.picture import Picture, depth_of
from ppyr.pyramid import build, merge
from ppyr.symbols import CodedLevel, Coder, Writer
from ppyr.threads import on_threads, thread_count

if TYPE_CHECKING:
    from collections.abc import Sequence

CodedLevels = list[tuple[CodedLevel, ...]]
"""Of an image, [level][unit], coarse to fine."""

_NOTHING = CodedLevel(b"", 0)
#: About what a stream costs beside its bytes: its size in INDEX, a section or a CRC32.
_STREAM_COST = 6


def encode_changed(picture: Picture, chosen: predictor.Model, changes: list[Change]) -> bytes:
    """Compress an image.

    Args:
        picture: the image.
        chosen: the model.
        changes: to different parts of the model, in the order of `Weights.changeable`, for this image.

    Raises:
        ModelError: the changed model breaks the rules of exact inference.
    """
    return assemble(picture, chosen, encode_levels(picture, chosen, changes), changes)


def encode_levels(picture: Picture, chosen: predictor.Model, changes: list[Change]) -> CodedLevels:
    """The levels of an image under a model that is changed; see `encode_changed`."""
    model, tables = changed(chosen, changes), tables_of(chosen)
    depth = depth_of(picture.scaling)
    count = Layout(picture.coded, picture.tile_bits).level_count
    threads = threads_for(model, len(picture.units))
    units = on_threads(
        lambda unit: encode_unit(unit.of(picture.samples), model, tables, depth), picture.units, threads
    )
    return list(zip(*([_NOTHING] * (count - len(levels)) + levels for levels in units), strict=True))


def threads_for(model: predictor.Model | None, tiles: int) -> int:
    """Threads to code so many tiles on: one where the model's backend computes on threads of its own."""
    return 1 if model is not None and model.backend.threaded else max(1, min(thread_count(), tiles))


def encode_unit(samples: Samples, model: predictor.Model, tables: TableSet, depth: Depth) -> list[CodedLevel]:
    """The levels of one unit (h, w, c), coarse to fine."""
    coarsest, fines = build(samples, 8 * samples.itemsize)
    writer = Writer(tables, reference=model.backend.name == "reference")
    walk(model, shapes(*samples.shape[:2]), coarsest, fines, writer, depth)
    return writer.levels


def assemble(picture: Picture, chosen: predictor.Model, levels: CodedLevels, changes: list[Change]) -> bytes:
    """The file of an image of these levels, each of which was coded under the model with `changes`.

    Units that are smaller without the model are stored without it.
    """
    methods, kept = without_model(picture, levels)
    information = sum(one.information for row in kept for one in row)
    model_id, payload = bytes(DIGEST_SIZE), b""
    if Method.MODEL in methods:
        model_id, payload = chosen.id, pack_changes(changes, chosen.source, tables_of(chosen))
    stored = picture.coded.dtype
    return pack(
        Container(
            header=replace(picture.header, model_id=model_id, information=information),
            tile_bits=picture.tile_bits,
            methods=methods,
            coarsest=b"".join(
                unit.of(picture.samples)[0, 0].astype(stored).tobytes() for unit in picture.units
            ),
            levels=tuple(tuple(one.stream for one in row) for row in kept),
            mapping=picture.mapping,
            changes=payload,
            scaling=picture.scaling,
        )
    )


def without_model(picture: Picture, levels: CodedLevels) -> tuple[tuple[Method, ...], CodedLevels]:
    """The method of each unit, and the levels with the streams of those that are smaller without a model."""
    methods, units = [], []
    owns = list(zip(*levels, strict=True))
    sizes = [_cost([one.stream for one in own]) for own in owns]
    found = on_threads(lambda unit: picture.plain(*unit), enumerate(sizes), threads_for(None, len(sizes)))
    for own, modelled, plain in zip(owns, sizes, found, strict=True):
        if plain is not None and _cost([plain[1]]) <= modelled:
            methods.append(plain[0])
            units.append([CodedLevel(plain[1], 0), *[_NOTHING] * (len(own) - 1)])
        else:
            methods.append(Method.MODEL)
            units.append(list(own))
    if not levels:  # a single pixel, which is the coarsest image
        methods = [Method.CONSTANT] * len(picture.units)
    return tuple(methods), list(zip(*units, strict=True))


def _cost(streams: list[bytes]) -> int:
    return sum(len(stream) + _STREAM_COST for stream in streams if stream)


def changed(model: predictor.Model, changes: list[Change]) -> predictor.Model:
    """A model after changes.

    Raises:
        ModelError: it breaks the rules of exact inference.
    """
    return predictor.Model(apply_changes(model.source, changes), model.backend) if changes else model


@cache
def tables_of(model: predictor.Model) -> TableSet:
    """The tables of a model, with what the coder derives from them."""
    return TableSet(model.frequencies)


def walk(
    model: predictor.Model,
    levels: Sequence[Level],
    coarsest: Samples,
    fines: Sequence[Samples],
    coder: Coder,
    depth: Depth = BYTES,
) -> Samples:
    """Code the levels of a unit, as many of the coarsest as there are `fines`, and give what they make.

    A reader fills `fines` on the way.
    """
    coarse = coarsest
    prediction = predictor.Predictor(model, len(levels), depth)
    for level, fine in zip(levels[: len(fines)], fines, strict=True):
        for step in prediction.level(level.axis, coarse, fine):
            for channel in step.channels:
                coder.code(step.fine[..., channel], step.coarse[..., channel], step.distribution(channel))
        coder.end_level()
        coarse = merge(coarse, fine, level.axis, 8 * coarse.itemsize)
    return coarse
