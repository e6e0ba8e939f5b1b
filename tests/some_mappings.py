"""Mappings of every kind, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from ppyr.bitstream.mapping import Channel, ChannelMapping, ColourMapping, How, Mapping
from ppyr.bitstream.raster import Raster


@st.composite
def any_mapping(draw: st.DrawFn, image: Raster) -> Mapping:
    """A mapping to an image."""
    sample = st.integers(0, 2**image.bit_depth - 1)
    if draw(st.booleans()):
        colour = st.tuples(*[sample] * image.channels)
        return ColourMapping(image, tuple(draw(st.lists(colour, min_size=1, max_size=40))))
    each = []
    for number in range(image.channels):
        how = draw(st.sampled_from(How))
        if how is How.RANKS or (number == 0 and how is How.COPY):
            values = draw(st.sets(sample, min_size=1, max_size=40))
            each.append(Channel(How.RANKS, tuple(sorted(values))))
        elif how is How.CONSTANT:
            each.append(Channel(how, number=draw(sample)))
        else:
            each.append(Channel(how, number=draw(st.integers(0, number - 1)) if how is How.COPY else 0))
    if not any(channel.is_coded for channel in each):
        each[0] = Channel(How.CODED)
    return ChannelMapping(image, tuple(each))
