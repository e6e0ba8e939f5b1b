"""The comparison with other libraries says of ppyr what is so."""

from __future__ import annotations

import pytest

from benchmarks import contenders, features, featuretables
from benchmarks.contenders import CODECS
from benchmarks.markdown import load

FOUND = load(features.RESULTS)["sections"]
PPYR = CODECS["ppyr"]


def test_every_feature_was_tried_with_every_library() -> None:
    assert {title: [row["feature"] for row in rows] for title, rows in FOUND.items()} == {
        title: [name for name, *_ in rows] for title, rows in features.SECTIONS.items()
    }
    assert all(list(row["values"]) == list(CODECS) for rows in FOUND.values() for row in rows)


@pytest.mark.parametrize("title", ["Pixels", "Metadata by Pillow"])
def test_what_ppyr_can_do_is_as_stored(title: str) -> None:
    found = {name: work(PPYR) for name, _, work in features.SECTIONS[title]}
    assert found == {row["feature"]: row["values"]["ppyr"] for row in FOUND[title]}


def test_numbers_are_found_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "LARGE", (600, 500))
    monkeypatch.setattr(features, "REGION", (0, 0, 32, 32))
    monkeypatch.setattr(features, "THUMBNAIL", (20, 20))
    monkeypatch.setattr(features, "FLIPS", 8)
    monkeypatch.setattr(features, "ROUNDS", 1)
    work = {name: work for rows in features.SECTIONS.values() for name, _, work in rows}
    for name in ("wrong bits that end in an error", "wrong bits that `verify` finds"):
        assert work[name](PPYR) == 1
    for name in (
        "bytes for `thumbnail` of 128 pixels",
        "bytes that `Image.open` reads",
        "time of `Image.open`",
    ):
        share = work[name](PPYR)
        assert share is not None
        assert 0 < share < 0.5
        assert work[name](CODECS["imagecodecs, JPEG XL"]) is None
    assert work["bytes that `Image.open` reads"](CODECS["pillow-jxl-plugin"]) == 1


def test_cells_are_short() -> None:
    cells = [(True, ""), (None, "%"), (0.0004, "%"), (0.0784, "%"), (1, "%"), (0.281, "%"), (3.27, "MB/s")]
    words = ["yes", "-", "< 0.1 %", "7.8 %", "100 %", "28 %", "3.3 MB/s"]
    assert [featuretables._cell(*cell) for cell in cells] == words
