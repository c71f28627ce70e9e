"""The contract of attacks on rows: our own keep it, and what breaks it is caught."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.attacks import lira
from popleak.attacks._members import MemberJudge
from popleak.core import plugins
from popleak.testing import rows
from popleak.testing.contracts import check_attack


@pytest.mark.parametrize("name", rows.attacks())
def test_our_own_keep_the_contract(name):
    check_attack(plugins.load("attacks", name))


class Of(MemberJudge):
    def __init__(self, score):
        self.score = score


def breaking(change):
    class Broken(lira.Lira):
        def calibrate_members(self, **given):
            judge = super().calibrate_members(**given)
            return Of(lambda outputs: change(judge.score(outputs), outputs, given))

    return Broken()


@pytest.mark.parametrize(("change", "said"), [
    (lambda scores, outputs, given: scores[:-1], "one number a candidate"),
    (lambda scores, outputs, given: scores * np.nan, "finite"),
    (lambda scores, outputs, given: -scores, "remember"),
    (lambda scores, outputs, given: scores * 0, "remember"),
    (lambda scores, outputs, given: scores + given["shadows"][0, 0], "order of shadows"),
    (lambda scores, outputs, given: scores + np.arange(len(scores)), "order of candidates"),
])  # fmt: skip
def test_what_breaks_the_contract_is_caught(change, said):
    with pytest.raises(AssertionError, match=said):
        for check in rows.CHECKS:
            check(breaking(change), lira.Lira.Settings())
