"""The tables of speed in the README and in docs/speed.md, for `benchmarks.tables`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .markdown import load, table

#: Results of `benchmarks.speed` and `benchmarks.breakdown` by name.
SETS = {"kodak": "Kodak", "mosaic": "4 megapixels"}
CODECS = {
    "png": "PNG, level 9",
    "webp": "WebP lossless, method 6",
    "jpegxl-3": "JPEG XL, effort 3",
    "jpegxl-7": "JPEG XL, effort 7",
    "jpegxl-9": "JPEG XL, effort 9",
}
DIRECTIONS = ("encode", "decode")
KINDS = {"encode": "encode", "verified": "encode and verify", "decode": "decode"}
#: The effort that the goals are for, by its name as a codec.
DEFAULT = "ppyr-5"


def title(codec: str, models: Mapping[str, Any]) -> str:
    """A codec for people."""
    if codec in CODECS:
        return CODECS[codec]
    return f"ppyr, effort {codec.rpartition('-')[2]}, `{models[codec]['model']}`"


def found_sets(results: Path, prefix: str = "") -> dict[str, Any]:
    """The results that are there, by title."""
    found = {name: load(results / "speed" / f"{prefix}{key}.json") for key, name in SETS.items()}
    return {name: result for name, result in found.items() if result}


def speeds(results: Path) -> str:
    """One table for each set and number of threads."""
    parts = [
        _speeds(name, found, count)
        for name, found in found_sets(results).items()
        for count in found["totals"]
    ]
    return "\n".join(parts)


def _speeds(name: str, found: Mapping[str, Any], threads: str) -> str:
    """A table of one number of threads."""
    rows = []
    for codec, total in found["totals"][threads].items():
        speed, ratio, macs = (
            total.get(key, {}) for key in ("megabytes_per_second", "ratio", "macs_per_second")
        )
        rows.append(
            (
                title(codec, found["models"]),
                f"{total['bytes']:,}",
                f"{total['bits_per_dim']:.3f}",
                *(_number(speed.get(kind)) for kind in KINDS),
                *(_number(ratio.get(kind)) for kind in KINDS),
                *(_number(macs.get(kind), 1e9) for kind in DIRECTIONS),
            )
        )
    head = (
        f"{name}, {_images(found)}, {_threads(threads)}",
        "bytes",
        "bits/dim",
        *(f"{kind}, MB/s" for kind in KINDS.values()),
        *(f"{kind} / e7" for kind in KINDS.values()),
        *(f"{kind}, GMAC/s" for kind in DIRECTIONS),
    )
    return f"{table(head, rows)}\n{_conditions(found)}\n"


def _conditions(found: Mapping[str, Any]) -> str:
    """Under which a result was measured."""
    versions, rounds = found["versions"], found["rounds"]
    names = ("python", "torch", "numba", "imagecodecs")
    told = ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
    less = ""
    if isinstance(rounds, dict):
        slow = {
            codec: kinds["encode"] for codec, kinds in rounds.items() if kinds["encode"] < kinds["decode"]
        }
        codecs = " and ".join(title(codec, found["models"]) for codec in slow)
        less = f", {min(slow.values())} to encode by {codecs}" if slow else ""
        rounds = max(kinds["decode"] for kinds in rounds.values())
    return f"Medians of {rounds} round{'s' * (rounds > 1)}{less}; {found['cpu']}; {told}."


def _images(found: Mapping[str, Any]) -> str:
    count = len(found["images"])
    return f"{count} image{'s' * (count > 1)}"


def _threads(count: str) -> str:
    return "one thread" if count == "1" else f"{count} threads"


def _number(value: float | None, unit: float = 1) -> str:
    """Three digits that count; nothing for None."""
    if value is None:
        return ""
    counted = value / unit
    return f"{counted:,.{0 if counted >= 100 else 1 if counted >= 10 else 2}f}"


def goals(results: Path) -> str:
    """What effort 5 is to reach, and what it does."""
    rows: dict[str, list[str]] = {}
    speed, parts = found_sets(results), found_sets(results, "breakdown-")
    for name in SETS.values():
        total = speed[name]["totals"]["1"].get(DEFAULT, {}) if name in speed else {}
        ratio = total.get("ratio", {})
        efforts = parts[name]["totals"]["efforts"] if name in parts else {}
        spent = efforts.get(DEFAULT.rpartition("-")[2], {})
        many = _scaling(speed[name], DEFAULT) if name in speed else {}
        found = {
            "encoding / JPEG XL, effort 7; at least 2": ratio.get("encode"),
            "encoding and verifying / JPEG XL, effort 7; more than 1": ratio.get("verified"),
            "decoding / JPEG XL, effort 7; at least 0.5": ratio.get("decode"),
            **{
                f"network / a layer alone, {kind}; at least 0.5": spent.get(kind, {}).get("network_to_alone")
                for kind in DIRECTIONS
            },
            **{
                f"share of entropy coding, {kind}; at most 0.2": spent.get(kind, {})
                .get("shares", {})
                .get("entropy coding")
                for kind in DIRECTIONS
            },
            **{f"two threads / one, {kind}; at least 1.7": many.get(kind) for kind in DIRECTIONS},
        }
        for row, value in found.items():
            rows.setdefault(row, []).append("" if value is None else f"{value:.2f}")
    return table(("effort 5", *SETS.values()), [(row, *cells) for row, cells in rows.items() if any(cells)])


def _scaling(found: Mapping[str, Any], codec: str, threads: str = "2") -> dict[str, float]:
    """Speeds on several threads for those on one."""
    one, many = (found["totals"].get(count, {}).get(codec) for count in ("1", threads))
    if not one or not many:
        return {}
    speed = one["megabytes_per_second"]
    return {kind: more / speed[kind] for kind, more in many["megabytes_per_second"].items()}


def threads(results: Path) -> str:
    """What more threads win."""
    rows = []
    for name, found in found_sets(results).items():
        for count in found["totals"]:
            for codec in found["totals"][count] if count != "1" else ():
                gain = _scaling(found, codec, count)
                if gain:
                    row = f"{name}, {_threads(count)}, {title(codec, found['models'])}"
                    rows.append((row, *(_number(gain[kind]) for kind in DIRECTIONS)))
    return table(("to one thread", "encode", "decode"), rows)


def breakdown(results: Path) -> str:
    """Shares of the parts of time, and how fast networks are."""
    made = []
    for name, found in found_sets(results, "breakdown-").items():
        efforts = found["totals"]["efforts"]
        parts = next(iter(efforts.values()))["encode"]["shares"]
        rows = []
        for effort, kinds in efforts.items():
            for kind, spent in kinds.items():
                rows.append(
                    (
                        f"{title(f'ppyr-{effort}', found['models'])}, {kind}",
                        *(f"{100 * share:.0f} %" for share in spent["shares"].values()),
                        f"{spent['network'] / 1e9:,.0f}",
                        f"{spent['network_to_alone']:.2f}",
                    )
                )
        head = (f"{name}, {_images(found)}", *parts, "network, GOP/s", "/ layer alone")
        alone = found["totals"]["alone"] / 1e9
        made.append(
            f"{table(head, rows)}\nBackend `{found['backend']}`; the layer alone makes {alone:,.0f} GOP/s. "
            f"{_conditions(found)}\n"
        )
    return "\n".join(made)


def growth(results: Path) -> str:
    """Time for each pixel by size of the image."""
    found = load(results / "speed" / "growth.json")
    if found is None:
        return ""
    rows = []
    efforts = found["efforts"]
    for effort, sizes in efforts.items():
        name = title(f"ppyr-{effort}", found["models"])
        for kind in DIRECTIONS:
            costs = [1e9 * one[f"{kind}_seconds"] / one["side"] ** 2 for one in sizes.values()]
            rows.append(
                (f"{name}, {kind}", *(f"{cost:,.0f} ns" for cost in costs), f"{max(costs) / min(costs):.2f}")
            )
    sizes = next(iter(efforts.values()))
    rows.append(("evaluations", *(f"{one['model_evaluations']:,}" for one in sizes.values()), ""))
    head = ("a pixel", *(f"{size} Mpixel" for size in sizes), "most / least")
    return f"{table(head, rows)}\n{_conditions(found)}\n"


def startup(results: Path) -> str:
    """Seconds of whole processes."""
    found = load(results / "speed" / "startup.json")
    if found is None:
        return ""
    seconds = found["seconds"]
    base = seconds["import torch"]
    names = {
        "python": '`python -c "pass"`',
        "import torch": '`python -c "import torch"`',
        "compress": "`ppyr compress`",
        "decompress": "`ppyr decompress`",
    }
    rows = [(name, f"{seconds[key]:.2f} s", f"{seconds[key] / base:.2f}") for key, name in names.items()]
    rows.append(
        ("`ppyr compress`, nothing compiled yet", f"{found['first']:.1f} s", f"{found['first'] / base:.1f}")
    )
    return f"{table(('process', 'time', '/ import torch'), rows)}\n{_conditions(found)}\n"
