"""The results of `ppyr bench` as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ppyr.bench import REFERENCE, ImageResult, by_folder, totals
from ppyr.tables import Cell, text_table


def bench_table(results: Sequence[ImageResult]) -> str:
    """Lay out one line an image, one a folder if there are several, and one a codec with the totals.

    Args:
        results: at least one, all with the same peers.
    """
    peers = list(results[0].peers)
    compared = REFERENCE if REFERENCE in peers else None
    ratio_header = [f"/ {compared}"] if compared else []
    rows: list[list[Cell]] = [
        [
            Path(result.file).name,
            result.ppyr.bytes,
            result.bits_per_dim,
            result.theoretical_bits_per_dim,
            "yes" if result.overhead_ok else "NO",
            *(measured.bytes for measured in result.peers.values()),
            *([result.ratio(compared)] if compared else []),
            result.ppyr.encode_seconds,
            result.ppyr.decode_seconds,
        ]
        for result in results
    ]
    header = ["image", "ppyr bytes", "bits/dim", "theoretical", "overhead ok", *peers, *ratio_header]
    tables = [text_table([*header, "encode s", "decode s"], rows)]
    if len({result.folder for result in results}) > 1:
        tables.append(_folders_table(results))
    return "\n\n".join([*tables, _totals_table(results)])


def _folders_table(results: Sequence[ImageResult]) -> str:
    peers = list(results[0].peers)
    rows: list[list[Cell]] = []
    for name, added in by_folder(results).items():
        row: list[Cell] = [name, added["images"], added["bytes"], added["bits_per_dim"]]
        rows.append(row + [added["peers"][peer]["bytes_ratio"] for peer in peers])
    header = ["folder", "images", "ppyr bytes", "mean bits/dim", *(f"bytes ppyr / {peer}" for peer in peers)]
    return text_table(header, rows)


def _totals_table(results: Sequence[ImageResult]) -> str:
    added = totals(results)
    columns = ("bytes", "bits_per_dim", "encode_seconds", "decode_seconds")
    rows: list[list[Cell]] = [["ppyr", *(added[column] for column in columns), None, None, None]]
    for name, peer in added["peers"].items():
        ratios = (peer["bytes_ratio"], peer["encode_seconds_ratio"], peer["decode_seconds_ratio"])
        rows.append([name, *(peer[column] for column in columns), *ratios])
    header = (
        f"{added['images']} images",
        "bytes",
        "mean bits/dim",
        "encode s",
        "decode s",
        "bytes ppyr / it",
        "encode s ppyr / it",
        "decode s ppyr / it",
    )
    return text_table(header, rows)
