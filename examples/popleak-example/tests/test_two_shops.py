"""The dataset `two-shops`: the contract, and its law."""

from __future__ import annotations

import pytest
from popleak_example.two_shops import PLUGIN

from popleak.testing import contracts


def test_contract():
    contracts.check_dataset(PLUGIN)


@pytest.mark.parametrize(("effect", "differ"), [(0.0, False), (2.0, True)])
def test_shops_differ_by_the_effect_alone(effect, differ):
    found = PLUGIN.load(files={}, label="buys-again", attribute="shop", options=PLUGIN.Settings(effect=effect), seed=4)
    visits = [found.x[found.a == shop, 0].mean() for shop in (0, 1)]
    assert visits[1] - visits[0] == pytest.approx(effect, abs=0.05)
    rates = found.facts["group_rates"]
    assert (abs(rates[1] - rates[0]) > 0.1) == differ
