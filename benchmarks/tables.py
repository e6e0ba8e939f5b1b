"""The tables in the README and in docs/, from the JSON files in benchmarks/results/.

    python -m benchmarks.tables

Replaces what stands between two markers, `<!-- begin NAME -->` and `<!-- end NAME -->`; run it again after
every measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from . import chunktables, familytables, featuretables, speedtables
from .markdown import load
from .markdown import percent as _percent
from .markdown import table as _table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

SETS = {"kodak": "Kodak", "cq100": "CQ100", "bundled": "Bundled"}
CODECS = {
    "png": "PNG, level 9",
    "webp": "WebP lossless, method 6",
    "jpegxl-7": "JPEG XL, effort 7",
    "jpegxl-9": "JPEG XL, effort 9",
}
#: What the others are compared with.
REFERENCE = "jpegxl-9"


def density(results: Path) -> str:
    """One table for each set of images, and under which versions it was measured."""
    found = {name: load(results / "density" / f"{name}.json") for name in SETS}
    return "\n".join(_density(SETS[name], result) for name, result in found.items() if result)


def _density(title: str, result: Mapping[str, Any]) -> str:
    efforts, versions = result["efforts"], result["versions"]
    first = next(iter(efforts.values()))["totals"]
    peers, images = first["peers"], first["images"]
    reference = peers[REFERENCE]["bytes"]
    rows = [
        *(
            (f"ppyr, effort {number}, `{effort['model']}`", *_figures(effort["totals"], images, reference))
            for number, effort in efforts.items()
        ),
        *((CODECS[name], *_figures(peer, images, reference)) for name, peer in peers.items()),
    ]
    plural = "s" * (images > 1)
    head = (f"{title}, {images} image{plural}", "bytes", "bits/dim", "theory", "/ e9", "encode", "decode")
    models = {effort["model"]: effort["id"] for effort in efforts.values()}
    ids = ", ".join(f"`{name}` {model_id[:8]}" for name, model_id in models.items())
    conditions = (
        f"Models {ids}; times an image on one thread of an {result['cpu']}; Python {versions['python']}, "
        f"torch {versions['torch']}, imagecodecs {versions['imagecodecs']}."
    )
    return f"{_table(head, rows)}\n{conditions}\n"


def summary(results: Path) -> str:
    """bits/dim on the two sets of photographs, and speed on the first in units of JPEG XL's at effort 7."""
    sets = {name: load(results / "density" / f"{name}.json") for name in ("kodak", "cq100")}
    speed = load(results / "speed" / "kodak.json")
    if speed is None or None in sets.values():
        return _table(("codec",), [])
    totals = speed["totals"]["1"]
    unit = totals["jpegxl-7"]["megabytes_per_second"]
    rows = []
    for codec, speeds in totals.items():
        effort = codec.removeprefix("ppyr-")
        found = [_density_of(one, codec) for one in sets.values()]
        if None in found:
            continue
        name = CODECS.get(codec) or f"**ppyr, effort {effort}**"
        times = [f"{speeds['megabytes_per_second'][way] / unit[way]:.2g}" for way in ("encode", "decode")]
        rows.append((name, *(f"{bits:.3f}" for bits in found), *times))
    head = ("", "Kodak, bits/dim", "CQ100, bits/dim", "encode, x e7", "decode, x e7")
    return _table(head, rows)


def _density_of(result: Mapping[str, Any], codec: str) -> float | None:
    """bits/dim of a codec, None if it was not measured."""
    efforts = result["efforts"]
    peers: Mapping[str, Any] = next(iter(efforts.values()))["totals"]["peers"]
    ours = {f"ppyr-{number}": effort["totals"] for number, effort in efforts.items()}
    total = {**peers, **ours}.get(codec)
    return None if total is None else float(total["bits_per_dim"])


def _figures(total: Mapping[str, Any], images: int, reference: int) -> tuple[str, ...]:
    theory = total.get("theoretical_bits_per_dim")
    return (
        f"{total['bytes']:,}",
        f"{total['bits_per_dim']:.3f}",
        "" if theory is None else f"{theory:.3f}",
        f"{total['bytes'] / reference:.3f}",
        f"{1000 * total['encode_seconds'] / images:,.0f} ms",
        f"{1000 * total['decode_seconds'] / images:,.0f} ms",
    )


def experiments(results: Path) -> str:
    """A table for every file of experiments: bits/dim, and by how much they differ from the first row's."""
    rows = load(results / "experiments.json")
    if rows is None:
        return "No experiments with the networks of this version are stored.\n"
    parts = []
    for file, stage, steps in dict.fromkeys((row["file"], row["stage"], row["steps"]) for row in rows):
        same = [row for row in rows if (row["file"], row["stage"], row["steps"]) == (file, stage, steps)]
        first = same[0]["validation"][-1]
        lines = [
            (
                row["experiment"],
                f"{row['parameters']:,}",
                f"{row['loss']:.3f}",
                f"{row['validation'][-1]:.4f}",
                _percent(row["validation"][-1] / first),
            )
            for row in same
        ]
        head = (f"`{file}.toml`, {stage}, {steps} steps", "parameters", "training", "CQ100", "change")
        parts.append(_table(head, lines))
    return "\n".join(parts)


def families(results: Path) -> str:
    """What families of tables give away."""
    bits = (load(results / "families.json") or {"bits_per_dim": {}})["bits_per_dim"]
    base = bits.get("nothing rounded")
    rows = [(name, f"{value:.4f}", _percent(value / base)) for name, value in bits.items()]
    return _table(("distributions", "CQ100", "change"), rows)


def sharing(results: Path) -> str:
    """Every network of a model on the levels of every other."""
    parts = []
    for path in sorted((results / "sharing").glob("*.json")):
        found = load(path)
        bits = found["bits_per_dim"]
        rows = [(f"`{levels}`", *(f"{value:.4f}" for value in row.values())) for levels, row in bits.items()]
        head = (f"`{found['model']}` {found['id'][:8]}, levels of", *(f"network `{name}`" for name in bits))
        parts.append(_table(head, rows))
    return "\n".join(parts)


def rounding(results: Path) -> str:
    """What is lost from floating point to the file."""
    models = (load(results / "rounding.json") or {"models": {}})["models"]
    rows = []
    for name, model in models.items():
        bits = model["bits_per_dim"]
        steps = (_percent(bits["integers"] / bits["float"]), _percent(bits["file"] / bits["integers"]))
        rows.append((f"`{name}`", *(f"{bits[key]:.4f}" for key in ("float", "integers", "file")), *steps))
    head = ("model", "floating point", "integers", "file", "float to integers", "integers to file")
    return _table(head, rows)


def efforts(results: Path) -> str:
    """What each effort wins and costs on some images of every set."""
    parts = []
    for name, title in SETS.items():
        found = load(results / "effort" / f"{name}.json")
        if found:
            parts.append(_efforts(title, found))
    return "\n".join(parts)


def _efforts(title: str, found: Mapping[str, Any]) -> str:
    images = list(found["images"].values())
    numbers = list(images[0]["efforts"])
    total = {n: sum(image["efforts"][n]["bytes"] for image in images) for n in numbers}
    peers = {n: sum(image["peers"][n]["bytes"] for image in images) for n in images[0]["peers"]}
    rows = []
    for number, below in zip(numbers, [None, *numbers], strict=False):
        mine = [image["efforts"][number] for image in images]
        worst = (
            max(image["efforts"][number]["bytes"] / image["efforts"][below]["bytes"] for image in images)
            if below
            else None
        )
        rows.append(
            (
                number,
                f"{total[number]:,}",
                _percent(total[number] / total[below]) if below else "",
                _percent(worst) if worst else "",
                f"{sum(one['changes'] for one in mine) / len(mine):,.0f}",
                f"{sum(one['encode_seconds'] for one in mine) / len(mine):,.1f} s",
                f"{sum(one['decode_seconds'] for one in mine) / len(mine):,.2f} s",
                f"{median(one['decode_ratio'] for one in mine):.2f}"
                if any(o["changes"] for o in mine)
                else "",
                f"{total[number] / peers[REFERENCE]:.3f}",
            )
        )
    for peer, size in peers.items():
        seconds = sum(image["peers"][peer]["encode_seconds"] for image in images) / len(images)
        ratio = f"{size / peers[REFERENCE]:.3f}"
        rows.append((CODECS[peer], f"{size:,}", "", "", "", f"{seconds:,.1f} s", "", "", ratio))
    head = (
        f"{title}, {len(images)} images",
        "bytes",
        "to the row above",
        "at most",
        "bytes of changes",
        "encode",
        "decode",
        "/ unchanged",
        "/ e9",
    )
    return _table(head, rows)


def collections(results: Path) -> str:
    """What changes for whole collections win."""
    rows = []
    for name, title in SETS.items():
        found = load(results / "collection" / f"{name}.json")
        if found:
            size, tried = found["bytes"], found["tried"]
            beside, embedded = size["changed"] + size["changes"], size["changed"] + tried * size["changes"]
            rows.append(
                (
                    f"{title}, {tried} images, `{found['model']}`",
                    f"{size['unchanged']:,}",
                    f"{size['changes']:,}",
                    *(f"{one:,} ({_percent(one / size['unchanged'])})" for one in (beside, embedded)),
                )
            )
    head = ("collection", "bytes of levels", "changes", "beside the files, once", "embedded in each")
    return _table(head, rows)


def tiling(results: Path) -> str:
    """What tiles of several sides cost."""
    found = load(results / "tiling.json") or {"bytes": {}, "images": 0}
    whole = next(iter(found["bytes"].values()), 1)
    rows = [(side, f"{size:,}", _percent(size / whole)) for side, size in found["bytes"].items()]
    return _table(("side of a tile", f"bytes, {found['images']} images", "change"), rows)


WAYS = {
    "encode": "`ppyr.encode`",
    "decode": "`ppyr.decode`",
    "compress": "`ppyr compress`",
    "decompress": "`ppyr decompress`",
}


def memory(results: Path) -> str:
    """Peaks of memory, and the rest of them that is no copy of something that grows with the image."""
    models = (load(results / "memory.json") or {"models": {}})["models"]
    rows = []
    for name, sizes in models.items():
        for size in sorted(sizes, key=float):
            found = sizes[size]
            file, pixels = found["encode"]["bytes"], found["encode"]["held"]
            start = found["encode"]["before"] - pixels
            pillow = math.prod(found["shape"][:2]) * 4
            copies = 2 * file, 2 * file, 3 * file, max(2 * file, pillow + found["png_bytes"])
            peaks = [found[way]["peak"] for way in WAYS]
            rest = [peak - start - pixels - more for peak, more in zip(peaks, copies, strict=True)]
            cells = [_megabytes(one) for one in (pixels, file, found["png_bytes"], start, *peaks, *rest)]
            rows.append((f"`{name}`, {float(size):g} Mpixel", *cells))
    head = ("MB", "pixels", "file", "PNG", "start", *WAYS.values(), *(f"rest, {way}" for way in WAYS))
    return _table(head, rows)


def memory_sentence(results: Path) -> str:
    """The fixed part of memory and bytes for each pixel, from the smallest image to the largest."""
    sizes = (load(results / "memory.json") or {"models": {}})["models"].get("fast", {})
    if not sizes:
        return ""
    small, large = (sizes[size] for size in (min(sizes, key=float), max(sizes, key=float)))
    more = math.prod(large["shape"][:2]) - math.prod(small["shape"][:2])
    costs = [f"{(large[way]['peak'] - small[way]['peak']) / more:.1f} for {WAYS[way]}" for way in WAYS]
    fixed = max(small[way]["peak"] for way in WAYS)
    highest = max(large[way]["peak"] for way in WAYS)
    return (
        f"With `fast` a process takes {_megabytes(fixed)} MB, and for each RGB pixel so many bytes more: "
        f"{', '.join(costs)}. {math.prod(large['shape'][:2]) / 1e6:,.0f} megapixels take at most "
        f"{highest / 1e9:.2f} GB.\n"
    )


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f}"


def fuzzing(results: Path) -> str:
    """What was fuzzed, for how long, and how inputs ended."""
    found = load(results / "fuzzing.json") or {"targets": {}, "date": ""}
    commands = dict.fromkeys(target["command"] for target in found["targets"].values())
    rows = []
    for name, target in found["targets"].items():
        accepted = target.get("outcomes", {}).get("accepted", 0)
        rows.append(
            (
                f"`{name}`",
                f"{target['seconds'] / 60:.1f}",
                f"{target['executions']:,}",
                f"{accepted:,}",
                f"{target.get('edges', 0):,}",
                f"{target.get('slowest_seconds', 0):.2f} s",
                str(len(target["findings"])),
            )
        )
    head = ("target", "minutes", "inputs", "not refused", "branches", "slowest input", "findings")
    conditions = (
        f"By {' and '.join(f'`{one}`' for one in commands)}, the last on {found['date']},\n"
        "from `benchmarks/results/fuzzing.json`. A finding is an exception outside `PpyrError`, a wrong\n"
        "result, a crash, or two seconds or 200 MB for an input.\n"
    )
    return f"{_table(head, rows)}\n{conditions}"


def graphics(results: Path) -> str:
    """Images that are no photographs, by folder."""
    found = load(results / "density" / "nonphoto.json")
    if found is None:
        return ""
    efforts = found["efforts"]
    last = max(efforts)
    peers = list(efforts[last]["totals"]["peers"])
    rows = []
    for folder, total in [*efforts[last]["folders"].items(), ("all", efforts[last]["totals"])]:
        sizes = [total["peers"][peer]["bytes"] for peer in peers]
        rows.append(
            (
                folder,
                str(total["images"]),
                *(f"{size:,}" for size in (total["bytes"], *sizes)),
                *(f"{total['bytes'] / size:.3f}" for size in sizes),
            )
        )
    names = [CODECS[peer] for peer in peers]
    head = ("folder", "images", f"effort {last}", *names, *(f"/ {name}" for name in names))
    return _table(head, rows)


def own_model(results: Path) -> str:
    """What tuned models win on held-out files, and what they take."""
    found = load(results / "ownmodel.json") or {}
    rows, models = [], []
    for name, about in found.items():
        sizes, model = about["bytes"], about["model"]
        rows.append(
            (
                f"{name}, {about['held_out']} of {about['images']}",
                *(f"{sizes[way]:,}" for way in ("default", "effort 5", "tuned")),
                *(f"{8 * sizes[way] / about['samples']:.3f}" for way in ("default", "tuned")),
                *(f"{100 * (sizes['tuned'] / sizes[way] - 1):+.2f} %" for way in ("default", "effort 5")),
            )
        )
        trained = model["training"].values()
        models.append(
            (
                name,
                f"`{model['id'][:8]}`",
                f"`{model['start']}`",
                " + ".join(f"{one['steps']:,}" for one in trained),
                f"{sum(one['seconds'] for one in trained) / 60:.0f}",
                *(f"{model[part]:,}" for part in ("file", "compressed", "embedded")),
            )
        )
    sizes_head = ("held-out images", "`default`", "effort 5", "tuned", "bits/dim", "tuned, bits/dim")
    steps = "steps of `finest`, `next`, `rest`"
    models_head = ("model", "id", "from", steps, "minutes", "file", "compressed", "differences")
    return "\n".join(
        (_table((*sizes_head, "to `default`", "to effort 5"), rows), _table(models_head, models))
    )


def samples(results: Path) -> str:
    """Samples of more than 8 bits beside JPEG XL, and what alpha costs."""
    found = load(results / "samples.json")
    if found is None:
        return ""
    rows = [
        (
            name,
            *(f"{size:,}" for size in sizes.values()),
            *(f"{sizes['ppyr'] / sizes[peer]:.3f}" for peer in ("jpegxl-7", "jpegxl-9")),
        )
        for name, sizes in found["wide"].items()
    ]
    names = [CODECS[peer] for peer in ("jpegxl-7", "jpegxl-9")]
    head = (
        f"{found['images']} images",
        f"effort {found['effort']}",
        *names,
        *(f"/ {name}" for name in names),
    )
    whole, colours, alone = (found["alpha"][name] for name in ("RGBA", "RGB", "alpha alone"))
    return (
        f"{_table(head, rows)}\nThe photographs with alpha take {whole:,} bytes, without {colours:,}, and "
        f"their alpha alone {alone:,}: together {_percent(whole / (colours + alone))} against apart.\n"
    )


def datasets(results: Path) -> str:
    """Parts of the sets of small images, and how their digests begin."""
    found = load(results / "datasets.json") or {"sets": {}}
    rows = [
        (
            name,
            part,
            f"{about['images']:,}",
            " x ".join(map(str, about["shape"])) if about["shape"] else "of many sizes",
            str(about["bits"]),
            f"{about['samples']:,}",
            f"`{about['sha256'][:16]}`",
        )
        for name, parts in found["sets"].items()
        for part, about in parts.items()
    ]
    return _table(("set", "part", "images", "shape", "bits", "samples", "SHA-256"), rows)


ENGINES = {"processes": "processes", "ray": "Ray"}


def batch(results: Path) -> str:
    """Archives that were killed twice on the way, and what became of their images."""
    found = load(results / "batch.json")
    if found is None:
        return "No results of this version are stored.\n"
    rows = []
    for engine, about in found["engines"].items():
        states = about["states"]
        placed = ", ".join(f"{kill['outputs']:,} ({kill['rows']:,})" for kill in about["kills"])
        rows.append(
            (
                f"{ENGINES[engine]}, {about['images']:,} images",
                placed,
                f"{about['outputs']:,} ({about['rows']:,})",
                f"{states['encoded']:,}",
                f"{states.get('found', 0):,}",
                f"{about['replaced']:,}",
                f"{about['images'] - about['distinct_rows']:,}",
                f"{about['images_per_second']:.0f}",
                f"{about['resume_seconds']:.0f} s",
                f"{about['verify_seconds']:.0f} s",
            )
        )
    head = (
        f"{found['jobs']} workers, {found['side']} x {found['side']} pixels",
        "outputs (rows) when killed",
        "at the end",
        "encoded",
        "found",
        "made twice",
        "lost",
        "images/s",
        "once more",
        "verify",
    )
    return (
        f"{_table(head, rows)}\nModel `{found['model']}`, {found['cpu']}; Python "
        f"{found['versions']['python']}; `{found['command']}`.\n"
    )


BLOCKS: dict[str, dict[str, Callable[[Path], str]]] = {
    "README.md": {"memory": memory_sentence, "summary": summary},
    "docs/comparison.md": {"features": featuretables.features},
    "docs/archives.md": {"batch": batch},
    "docs/datasets.md": {"datasets": datasets},
    "docs/density.md": {"density": density},
    "docs/effort.md": {"collections": collections, "efforts": efforts},
    "docs/families.md": {
        "coarsest": familytables.coarsest,
        "costs": familytables.costs,
        "drawings": familytables.drawings,
        "likelihood": familytables.likelihood,
        "models": familytables.models,
        "papers": familytables.papers,
        "published": familytables.published,
        "sampling": familytables.sampling,
    },
    "docs/graphics.md": {"graphics": graphics},
    "docs/images.md": {"samples": samples},
    "docs/memory.md": {"memory": memory},
    "docs/model.md": {
        "experiments": experiments,
        "families": families,
        "rounding": rounding,
        "sharing": sharing,
        "tiling": tiling,
    },
    "docs/own-model.md": {"ownmodel": own_model},
    "docs/speed.md": {
        "breakdown": speedtables.breakdown,
        "goals": speedtables.goals,
        "growth": speedtables.growth,
        "speed": speedtables.speeds,
        "startup": speedtables.startup,
        "threads": speedtables.threads,
    },
    "docs/zarr.md": {"chunks": chunktables.chunks},
    "SECURITY.md": {"fuzzing": fuzzing},
}


def fill(text: str, name: str, block: str) -> str:
    """Replace what stands between the markers of this name by `block`.

    Raises:
        ValueError: the markers are not there once each, in order.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    before, found, rest = text.partition(begin)
    old, closed, after = rest.partition(end)
    if not found or not closed or begin in old + after or end in before + after:
        raise ValueError(f"put the lines {begin.strip()} and {end.strip()} in, once each")
    return before + begin + block + end + after


def filled(document: str, text: str, results: Path = RESULTS) -> str:
    """The text of a document with all its tables."""
    for name, render in BLOCKS[document].items():
        text = fill(text, name, render(results))
    return text


if __name__ == "__main__":
    for document in BLOCKS:
        path = ROOT / document
        path.write_text(filled(document, path.read_text(encoding="utf-8")), encoding="utf-8")
