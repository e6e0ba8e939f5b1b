"""Images to .ppyr data, in memory.

Encoder and decoder are one walk over the levels, coarse to fine: the model says how each step's fine values
are distributed, and a coder either writes them or reads them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ppyr.bitstream.container import DIGEST_SIZE, Container, Layout, pack
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import SHALLOW, Raster, Samples
from ppyr.bitstream.tables import TableSet
from ppyr.errors import UnsupportedImageError
from ppyr.geometry import Level, shapes
from ppyr.models import predictor, registry
from ppyr.models.changes import Change, apply_changes, pack_changes
from ppyr.models.depth import BYTES, Depth
from ppyr.models.family import LikelihoodModel, Prediction
from ppyr.models.weights import check_changeable
from ppyr.picture import Picture, Unit, depth_of
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
#: Models whose tables are kept.
TABLES = 16


def encode_changed(
    picture: Picture,
    chosen: LikelihoodModel,
    changes: list[Change],
    label: int | None = None,
    embedded: bytes = b"",
) -> bytes:
    """Compress an image.

    Args:
        picture: the image.
        chosen: the model.
        changes: to different parts of the model, in the order of `Weights.changeable`, for this image.
        label: of the image's class, for models that were trained with classes.
        embedded: the model as `ppyr.models.embedding` packs it, for the file to hold; b"" to leave it out.

    Raises:
        UnsupportedImageError: the model does not code such samples.
        ConfigurationError: the model has no such label.
        ModelError: the changed model breaks the rules of exact inference.
    """
    condition = chosen.condition(picture.samples, picture.coded.bit_depth, label)
    levels = encode_levels(picture, chosen, changes, condition)
    return assemble(picture, chosen, levels, changes, condition, embedded)


def encode_levels(
    picture: Picture, chosen: LikelihoodModel, changes: list[Change], condition: bytes = b""
) -> CodedLevels:
    """The levels of an image under a model that is changed; see `encode_changed`."""
    check_codable(picture, chosen)
    model, tables = changed(chosen, changes), tables_of(chosen)
    given = Given(picture.coded.bit_depth, depth_of(picture.scaling), condition)
    layout = Layout(picture.coded, picture.tile_bits, coarsest_bits_of(model, picture.coded))

    def coded(unit: Unit) -> list[CodedLevel]:
        samples = unit.of(picture.samples)
        found = [_NOTHING] * layout.level_count
        if picture.is_constant(unit):
            return found
        own = layout.levels_of(samples.shape[1], samples.shape[0])
        for number, level in zip(own, encode_unit(samples, model, tables, given), strict=True):
            found[number] = level
        return found

    units = on_threads(coded, picture.units, threads_for(model, len(picture.units)))
    return list(zip(*units, strict=True))


def check_codable(picture: Picture, model: LikelihoodModel) -> None:
    """Check that a model codes samples of these bits.

    Raises:
        UnsupportedImageError: it does not.
    """
    if model.narrow_only and picture.coded.bit_depth > SHALLOW:
        name = registry.model_name(model.id) or model.id.hex()
        raise UnsupportedImageError(
            f"the model {name} codes samples of at most {SHALLOW} bits, and these have "
            f"{picture.coded.bit_depth}: choose another model, or an effort",
            expected=SHALLOW,
            found=picture.coded.bit_depth,
        )


def coarsest_bits_of(model: LikelihoodModel, coded: Raster) -> int:
    """Binary logarithm of the side of the coarsest images that a model codes, 0 of wide samples."""
    return 0 if coded.bit_depth > SHALLOW else model.coarsest_bits


def threads_for(model: LikelihoodModel | None, tiles: int) -> int:
    """Threads to code so many tiles on: one where the model's backend computes on threads of its own."""
    return 1 if model is not None and model.backend.threaded else max(1, min(thread_count(), tiles))


class Given(NamedTuple):
    """What a model is given of an image beside the pixels: bits of a coded sample, depth and condition."""

    bits: int = 8
    depth: Depth = BYTES
    condition: bytes = b""


def encode_unit(samples: Samples, model: LikelihoodModel, tables: TableSet, given: Given) -> list[CodedLevel]:
    """The levels of one unit (h, w, c), coarse to fine, that of the coarsest image first if it is coded."""
    coarsest_bits = 0 if given.depth.wide else model.coarsest_bits
    levels = shapes(samples.shape[0], samples.shape[1], coarsest_bits)
    coarsest, fines = build(samples, 8 * samples.itemsize, coarsest_bits)
    writer = Writer(tables, reference=model.backend.name == "reference")
    walk(model.predictor(len(levels), *given), levels, coarsest, fines, writer, known=True)
    return writer.levels


def assemble(
    picture: Picture,
    chosen: LikelihoodModel,
    levels: CodedLevels,
    changes: list[Change],
    condition: bytes = b"",
    embedded: bytes = b"",
) -> bytes:
    """The file of an image of these levels, each of which was coded under the model with `changes`.

    Units that are smaller without the model are stored without it.
    """
    methods, kept = without_model(picture, levels)
    information = sum(one.information for row in kept for one in row)
    model_id, payload = bytes(DIGEST_SIZE), b""
    if Method.MODEL in methods:
        model_id, payload = chosen.id, pack_changes(changes, chosen.source, tables_of(chosen))
    else:
        condition = embedded = b""
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
            coarsest_bits=coarsest_bits_of(chosen, picture.coded),
            condition=condition,
            model=embedded,
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


def changed(model: LikelihoodModel, changes: list[Change]) -> LikelihoodModel:
    """A model after changes.

    Raises:
        ModelError: it breaks the rules of exact inference, or can not be changed.
    """
    if not changes:
        return model
    check_changeable(model.source)
    return predictor.Model(apply_changes(model.source, changes), model.backend)


@lru_cache(TABLES)
def tables_of(model: LikelihoodModel) -> TableSet:
    """The tables of a model, with what the coder derives from them."""
    return TableSet(model.frequencies)


def walk(
    prediction: Prediction,
    levels: Sequence[Level],
    coarsest: Samples,
    fines: Sequence[Samples],
    coder: Coder,
    *,
    known: bool,
) -> Samples:
    """Code the levels of a unit, as many of the coarsest as there are `fines`, and give what they make.

    The coarsest image is coded first, all but its first pixel, if it has others. A reader, to whom nothing
    else is `known`, fills it and `fines` on the way.
    """
    if coarsest.shape[:2] != (1, 1):
        walk_coarsest(prediction, coarsest, coder, known=known)
    return walk_levels(prediction, levels[: len(fines)], coarsest, fines, coder)


def walk_coarsest(prediction: Prediction, coarsest: Samples, coder: Coder, *, known: bool) -> None:
    """Code the pixels of a coarsest image but the first."""
    for front in prediction.coarsest(coarsest.view(np.uint8), known):
        for channel in front.channels:
            places = front.rows, front.columns, channel
            samples = coarsest[places][np.newaxis]
            coder.code(samples, np.zeros_like(samples), front.distribution(channel))
            coarsest[places] = samples
    coder.end_level()


def walk_levels(
    prediction: Prediction, levels: Sequence[Level], coarse: Samples, fines: Sequence[Samples], coder: Coder
) -> Samples:
    """Code levels, the first of which has this coarse image, and give what they make."""
    for level, fine in zip(levels, fines, strict=True):
        for step in prediction.level(level.axis, coarse, fine):
            for channel in step.channels:
                coder.code(step.fine[..., channel], step.coarse[..., channel], step.distribution(channel))
        coder.end_level()
        coarse = merge(coarse, fine, level.axis, 8 * coarse.itemsize)
    return coarse
