"""What readers of all parts of a file check alike."""

from __future__ import annotations

from ppyr.errors import FormatError

FRESH_COPY = "get a fresh copy of the file"
COMPLETE_COPY = "get a complete copy of the file"


def check_range(name: str, value: int, least: int, most: int, offset: int | None = None) -> None:
    """Check a number of a file, at `offset`, or of an argument where there is no offset.

    Raises:
        FormatError: it is not in least..most.
    """
    if least <= value <= most:
        return
    wanted = str(least) if least == most else f"{least}..{most}"
    place, advice = ("", "pass what fits") if offset is None else (f"offset {offset}: ", FRESH_COPY)
    raise FormatError(
        f"{place}{name}: {value}, where {wanted} belongs; {advice}",
        offset=offset,
        expected=wanted,
        found=value,
    )
