"""Metadata of every kind."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from ppyr.bitstream.metadata import Colour, Metadata, Palette, Resolution, Text, Unit

FULL = Metadata(
    icc=b"profile",
    colour=Colour(45455, tuple(range(8)), 1, (9, 16, 0, 1), tuple(range(10)), (8, 9)),
    orientation=6,
    exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    xmp=b"<x/>",
    text=(Text("Title", "é"), Text("Comment", "猫", True, "ja", "題名")),
    resolution=Resolution((3000000, 10000), (1, 3), Unit.CENTIMETRE),
    time=(2024, 2, 29, 23, 59, 60),
)
"""Every field that any image can have, with small values."""
INDEXED = replace(FULL, palette=Palette(bytes(range(9)), b"\7"))
"""The same and a palette of three colours, the first one nearly transparent."""


@st.composite
def any_metadata(draw: st.DrawFn, channels: int, bit_depth: int) -> Metadata:
    """Metadata with any values that are allowed for an image, though small."""
    palette = draw(st.none() | palettes(bit_depth)) if channels == 1 and bit_depth <= 8 else None
    colour = st.tuples(*[st.integers(0, 2**bit_depth - 1)] * channels)
    number = st.integers(0, 2**32 - 1)
    fraction = st.tuples(number, st.integers(1, 2**32 - 1))
    return Metadata(
        icc=draw(st.binary(max_size=50)),
        colour=draw(st.none() | colours(number)),
        orientation=draw(st.none() | st.integers(2, 8)),
        palette=palette,
        transparent=draw(st.none() | colour) if channels % 2 and palette is None else None,
        exif=draw(st.binary(max_size=50).filter(lambda block: not block.startswith(b"Exif"))),
        xmp=draw(st.binary(max_size=50)),
        text=tuple(draw(st.lists(texts(), max_size=3))),
        resolution=draw(st.none() | st.builds(Resolution, fraction, fraction, st.sampled_from(Unit))),
        time=draw(
            st.none()
            | st.tuples(
                st.integers(0, 2**16 - 1),
                st.integers(1, 12),
                st.integers(1, 31),
                st.integers(0, 23),
                st.integers(0, 59),
                st.integers(0, 60),
            )
        ),
    )


@st.composite
def palettes(draw: st.DrawFn, bit_depth: int) -> Palette:
    size = draw(st.integers(1, 2**bit_depth))
    return Palette(draw(st.binary(min_size=3 * size, max_size=3 * size)), draw(st.binary(max_size=size)))


@st.composite
def texts(draw: st.DrawFn) -> Text:
    latin = st.characters(codec="latin-1", exclude_characters="\0")
    keyword = draw(st.text(latin, min_size=1, max_size=79))
    if not draw(st.booleans()):
        return Text(keyword, draw(st.text(st.characters(codec="latin-1"), max_size=50)))
    return Text(
        keyword,
        draw(st.text(st.characters(codec="utf-8"), max_size=50)),
        international=True,
        language=draw(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=9)),
        translated=draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)),
    )


def colours(number: st.SearchStrategy[int]) -> st.SearchStrategy[Colour]:
    byte, short = st.integers(0, 255), st.integers(0, 2**16 - 1)
    return st.builds(
        Colour,
        gamma=number,
        chromaticities=st.none() | st.tuples(*[number] * 8),
        intent=st.none() | st.integers(0, 3),
        cicp=st.none() | st.tuples(byte, byte, byte, st.integers(0, 1)),
        mastering=st.none() | st.tuples(*[short] * 8, *[number] * 2),
        light=st.none() | st.tuples(number, number),
    )
