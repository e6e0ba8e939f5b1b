"""Every small file keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ppyr.models import predictor, registry

from .contract import CHECKS, INTACT, Tally
from .some_files import SomeFile, some_files

FILES = some_files(predictor.load(registry.by_name("fast")))


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_contract(check: Callable[[SomeFile], Tally], file: SomeFile) -> None:
    tally = check(file)
    assert tally.total() > tally[INTACT] or check is CHECKS["round_trip"]
