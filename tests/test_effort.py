"""Efforts: which model, and what fitting it to an image is worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import ppyr
from ppyr import mappings
from ppyr.bitstream.container import unpack
from ppyr.coding import encode_changed, tables_of
from ppyr.effort import EFFORTS, Effort
from ppyr.errors import ConfigurationError
from ppyr.models import adaptation, predictor, registry
from ppyr.models.adaptation import Adaptation, ChangedNet
from ppyr.models.changes import with_tables
from ppyr.models.data import stage_batch
from ppyr.models.export import network
from ppyr.models.search import Search
from ppyr.models.weights import STAGES, stage_of
from ppyr.picture import Picture

from .photograph import crop, squares

FAST = predictor.load(registry.by_name("fast"))
HEADS, LAYERS = Search(8), Search(8, all_layers=True)


@pytest.fixture(autouse=True)
def small_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fit to small images too, with short searches of the fast model as the highest effort, and no LZMA."""
    monkeypatch.setattr(adaptation, "LEAST_PIXELS", 1 << 10)
    monkeypatch.setattr(mappings, "REPETITION", 2)
    monkeypatch.setitem(EFFORTS, 9, Effort("fast", (Search(40), LAYERS)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_efforts_go_from_fast_to_dense() -> None:
    assert list(EFFORTS) == list(range(1, 10))
    assert EFFORTS[1].model == "fast"
    assert EFFORTS[5] == Effort("default", graphics="graphics")
    work = [predictor.load(registry.by_name(EFFORTS[e].model)).source.macs_per_pixel for e in range(1, 7)]
    assert work == sorted(work)
    assert len(set(work)) == 6
    assert EFFORTS[6].others == (EFFORTS[5].model,)
    for lower, higher in ((6, 7), (7, 8)):
        assert EFFORTS[higher].model == EFFORTS[lower].model
        assert EFFORTS[higher].others == EFFORTS[lower].others
        assert EFFORTS[higher].searches[:-1] == EFFORTS[lower].searches


@pytest.mark.parametrize("models", [("fast", "default"), ("default", "fast")])
def test_an_effort_takes_the_smaller_file(models: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EFFORTS, 9, Effort(models[0], (), models[1:]))
    image = crop(50, 60)
    files = [ppyr.encode(image, model=model) for model in models]
    assert len(files[0]) != len(files[1])
    assert ppyr.encode(image, effort=9) == min(files, key=len)


def test_the_model_of_graphics_is_tried_where_pixels_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mappings, "REPETITION", 0.1)
    monkeypatch.setitem(EFFORTS, 9, Effort("fast", graphics="default"))
    photograph = crop(50, 60)
    assert ppyr.encode(photograph, effort=9) == ppyr.encode(photograph, model="fast")
    blocks = photograph.repeat(2, 0).repeat(2, 1)
    assert ppyr.encode(blocks, effort=9) == min(
        (ppyr.encode(blocks, model=model) for model in ("fast", "default")), key=len
    )


@pytest.mark.parametrize("gray", [False, True], ids=["colour", "gray"])
def test_a_fitted_file_is_smaller_and_comes_back(gray: bool) -> None:
    image = squares(150, 140)[..., 1].copy() if gray else squares(150, 140)
    plain, fitted = ppyr.encode(image, model="fast"), ppyr.encode(image, effort=9)
    assert len(fitted) < len(plain)
    assert ppyr.info(fitted).changes > 0
    assert np.array_equal(ppyr.decode(fitted), image)


def test_changes_that_do_not_pay_are_left_out() -> None:
    image = crop(40, 37)
    assert ppyr.encode(image, effort=9) == ppyr.encode(image, model="fast")


def test_the_same_image_gives_the_same_bytes() -> None:
    image = squares(120, 116)
    one, again = (ppyr.encode(image, effort=9) for _ in range(2))
    other = ppyr.encode(image, effort=9, seed=5)
    assert one == again
    assert unpack(one).changes != unpack(other).changes
    assert np.array_equal(ppyr.decode(other), image)


def test_a_time_budget_ends_the_search() -> None:
    image = squares(120, 116)
    assert ppyr.encode(image, effort=9, time_budget=1e-9) == ppyr.encode(image, model="fast")
    monotone = Adaptation(FAST.source, [image])
    steps: list[None] = []
    monotone.run(Search(10_000), advance=lambda: steps.append(None), seconds=0.2)
    assert 0 < len(steps) < monotone.steps(Search(10_000))


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    ppyr.encode(squares(40, 40), effort=9, progress=True)
    assert "fitting" in capsys.readouterr().err


@pytest.mark.parametrize(("effort", "model"), [(0, None), (10, None), (5, "fast")])
def test_what_makes_no_sense_is_refused(effort: int, model: str | None) -> None:
    with pytest.raises(ConfigurationError):
        ppyr.encode(crop(3, 3), effort=effort, model=model)


@pytest.mark.parametrize("stage", STAGES)
def test_a_changed_network_computes_what_the_changed_integers_do(stage: str) -> None:
    net = ChangedNet(FAST.source, stage)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in net.parts:
            spread = 0 if part.group == "spread" else 1.5
            part.differences.copy_(spread * torch.randn(part.differences.shape, generator=generator))
            part.rounded = True
    changes = {part.name: part.change() for part in net.parts}
    changed = FAST.source.changed({name: d.astype(np.int32) << s for name, (s, d) in changes.items()})
    same = network(changed, stage)
    same.set_quantize(True)
    batch = stage_batch(crop(64, 48).transpose(2, 0, 1)[None].astype(np.int32))
    with torch.no_grad():
        assert torch.equal(net(*batch), same(*batch))


def test_heads_hear_what_they_hear_in_the_whole_network() -> None:
    net = ChangedNet(FAST.source, "finest")
    batch = stage_batch(crop(64, 48).transpose(2, 0, 1)[None].astype(np.int32))
    with torch.no_grad():
        whole = float(net(*batch).sum())
        heard = net.hear(*batch)
        assert [one.head for one in heard] == list(net.head)
        assert sum(one.size for one in heard) == 64 * 48 * 3 // 4
        assert float(net.bits_of_heads(heard)) == pytest.approx(whole, rel=1e-5)


def test_the_search_estimates_what_the_changes_take() -> None:
    image = squares(150, 140)
    search = Adaptation(FAST.source, [image])
    search.run(Search(40))
    changes = with_tables(search.changes(), FAST.source, tables_of(FAST))
    payload = len(unpack(encode_changed(Picture.of(image), FAST, changes)).changes)
    estimate = sum(net.description().item() for net in search._nets.values()) / 8
    assert estimate / 2 < payload < 1.1 * estimate


def test_every_level_has_its_stage() -> None:
    assert [stage_of(level, 8) for level in range(8)] == ["rest"] * 4 + ["next"] * 2 + ["finest"] * 2
