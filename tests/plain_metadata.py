"""The sections with metadata, read from FORMAT.md alone, as `plain_decoder` reads the rest."""

from __future__ import annotations

import zlib
from collections.abc import Callable

KINDS = {
    16: "ICC",
    17: "COLOUR",
    18: "ORIENTATION",
    19: "PALETTE",
    20: "TRANSPARENT",
    144: "EXIF",
    145: "XMP",
    146: "TEXT",
    147: "RESOLUTION",
    148: "TIME",
}
COLOUR = {
    "gamma": (4,),
    "chromaticities": (4,) * 8,
    "intent": (1,),
    "cicp": (1,) * 4,
    "mastering": (2,) * 8 + (4,) * 2,
    "light": (4,) * 2,
}


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def metadata(
    sections: list[tuple[int, bytes]],
    varint: Callable[[bytes, int], tuple[int, int]],
    channels: int,
    bit_depth: int,
) -> dict[str, object]:
    """What kinds and payloads of sections with metadata say, by the names of the document.

    ValueError where they break a rule of the document.
    """
    kinds = [kind for kind, _ in sections]
    require(kinds == sorted(set(kinds)), "the order of metadata")
    found: dict[str, object] = {}
    for kind, payload in sections:
        name = KINDS[kind]
        if name in ("ICC", "EXIF", "XMP", "TEXT"):
            data = inflated(payload, varint)
            require(name != "EXIF" or not data.startswith(b"Exif\0\0"), "EXIF without a prefix")
            found[name] = texts(data, varint) if name == "TEXT" else data
        elif name == "COLOUR":
            found |= colour(payload)
        elif name == "ORIENTATION":
            require(len(payload) == 1 and 2 <= payload[0] <= 8, name)
            found[name] = payload[0]
        elif name == "PALETTE":
            require(channels == 1 and bit_depth <= 8, "PALETTE in such a file")
            require(payload[0] < 2**bit_depth, "the number of entries")
            found[name] = palette(payload)
        elif name == "TRANSPARENT":
            require(channels in (1, 3) and "PALETTE" not in found, "TRANSPARENT in such a file")
            found[name] = tuple(numbers(payload, (2,) * channels))
            require(max(found[name]) < 2**bit_depth, "samples of TRANSPARENT")  # type: ignore[call-overload]
        elif name == "RESOLUTION":
            unit, *parts = numbers(payload, (1, 4, 4, 4, 4))
            require(unit <= 3 and parts[1] > 0 and parts[3] > 0, name)
            found[name] = (unit, *parts)
        else:
            year, month, day, hour, minute, second = numbers(payload, (2, 1, 1, 1, 1, 1))
            require(0 < month <= 12 and 0 < day <= 31 and hour < 24 and minute < 60 and second <= 60, name)
            found[name] = (year, month, day, hour, minute, second)
    return found


def palette(payload: bytes) -> tuple[tuple[int, ...], ...]:
    """Red, green, blue and alpha of each entry."""
    start = 1 + 3 * (payload[0] + 1)
    alpha = payload[start:]
    require(len(payload) >= start and len(alpha) <= payload[0] + 1, "the length of PALETTE")
    return tuple(
        (*payload[1 + 3 * n : 4 + 3 * n], alpha[n] if n < len(alpha) else 255) for n in range(payload[0] + 1)
    )


def inflated(payload: bytes, varint: Callable[[bytes, int], tuple[int, int]]) -> bytes:
    size, start = varint(payload, 0)
    require(1 <= size <= 2**24, "the size of what is deflated")
    stream = zlib.decompressobj()
    data = stream.decompress(payload[start:], size + 1)
    require(stream.eof and len(data) == size and stream.unused_data == b"", "the zlib stream")
    return data


def numbers(payload: bytes, sizes: tuple[int, ...]) -> list[int]:
    require(len(payload) == sum(sizes), "the length of the payload")
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return [
        int.from_bytes(payload[end - size : end], "little") for size, end in zip(sizes, ends, strict=True)
    ]


def colour(payload: bytes) -> dict[str, object]:
    require(len(payload) > 0 and 0 < payload[0] < 64, "the mask of COLOUR")
    there = [name for bit, name in enumerate(COLOUR) if payload[0] >> bit & 1]
    values = iter(numbers(payload[1:], tuple(size for name in there for size in COLOUR[name])))
    found: dict[str, object] = {name: tuple(next(values) for _ in COLOUR[name]) for name in there}
    require(found.get("intent", (0,)) <= (3,), "the intent")  # type: ignore[operator]
    require(found.get("cicp", (0,))[-1] <= 1, "the range of cicp")  # type: ignore[index]
    return found


def texts(data: bytes, varint: Callable[[bytes, int], tuple[int, int]]) -> list[tuple[str, ...]]:
    """Keyword, language, translated keyword and text of each, and how it is written."""
    found = []
    at = 0
    while at < len(data):
        international = data[at]
        require(international <= 1, "international")
        at += 1
        parts = []
        for _ in range(4):
            size, start = varint(data, at)
            at = start + size
            require(at <= len(data), "a part is complete")
            parts.append(data[start:at].decode("utf-8"))
        keyword, language, translated, text = parts
        require(1 <= len(keyword) <= 79, "the length of a keyword")
        require("\0" not in keyword + language + translated, "no NUL")
        keyword.encode("latin-1")
        language.encode("ascii")
        if not international:
            require(not language and not translated, "neither language nor translation")
            text.encode("latin-1")
        found.append((*parts, "international" if international else "simple"))
    return found
