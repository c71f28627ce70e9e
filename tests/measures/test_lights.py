"""Lights: what may be concluded of one adversary and two worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from popleak.measures import leakage, lights
from popleak.measures.intervals import Estimate
from popleak.measures.verdicts import Found

MARGIN = 0.1


def found(value, half, *, p=0.001, models=200, splits=10, diverged=0) -> Found:
    return Found(value, value - half, value + half, p, models, splits, diverged)


def placebo(value, half=0.2) -> Estimate:
    return Estimate(value, value - half, value + half, 0.5)


QUIET = [placebo(0.03), placebo(-0.05), placebo(0.0)]


def word(one, placebos=QUIET) -> tuple[str, str]:
    light = lights.light(one, placebos, margin=MARGIN)
    return light.word, light.reason.partition(":")[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_light_follows_the_whole_interval_on_both_sides(sign):
    """Whoever is below chance need only answer the opposite."""
    assert word(found(sign * 0.01, 0.08, p=0.8)) == (lights.CLEAR, "")
    assert word(found(sign * 0.01, 0.1, p=0.8)) == (lights.OPEN, lights.WIDE)
    assert word(found(sign * 0.3, 0.1)) == (lights.LEAK, "")


def test_no_light_comes_of_an_estimate_alone():
    wide = found(0.6, 0.7, p=0.09)
    assert word(wide) == (lights.OPEN, lights.WIDE)
    assert word(found(0.0, 0.05, splits=1)) == (lights.OPEN, lights.FEW)
    assert word(found(0.0, 0.05, models=3)) == (lights.OPEN, lights.FEW)
    assert word(Found(0.3, math.nan, math.nan, math.nan, 40, 4)) == (lights.OPEN, lights.FEW)


def test_a_leak_must_survive_the_correction_and_green_need_not():
    assert word(found(0.3, 0.25, p=0.06)) == (lights.OPEN, lights.WIDE)
    assert word(found(0.02, 0.05, p=1.0)) == (lights.CLEAR, "")


@pytest.mark.parametrize("how", [{"rows": 60}, {"dull": lights.DULL}, {"dull": lights.ALIKE}])
def test_models_that_are_small_or_dull_are_never_clear_and_not_said_to_become_so(how):
    """A wide interval near 0 would be decided as clear, which such models cannot be: more of them are not advised."""

    def blocked(one) -> tuple[str, str, bool]:
        light = lights.light(one, QUIET, margin=MARGIN, **how)
        return light.word, light.reason.partition(":")[0], math.isnan(light.splits)

    why = how.get("dull", lights.SMALL)
    assert blocked(found(0.0, 0.05, p=1.0)) == (lights.OPEN, why, True)
    assert blocked(found(0.01, 0.3, p=1.0)) == (lights.OPEN, why, True)
    assert blocked(found(0.3, 0.1)) == (lights.LEAK, "", True), "what is shown to leak leaks"
    assert blocked(found(0.3, 0.35, p=0.2)) == (lights.OPEN, lights.WIDE, False), "more of them may show a leak"


def test_what_lies_within_its_placebos_says_nothing_of_groups():
    assert word(found(0.3, 0.1), [placebo(0.35), placebo(0.0)]) == (lights.OPEN, lights.PLACEBO)
    assert word(found(0.3, 0.1), [placebo(-0.35)]) == (lights.OPEN, lights.PLACEBO), "on the other side of chance"
    assert word(found(0.3, 0.1), [placebo(0.25)]) == (lights.OPEN, lights.WIDE), "more models would show it"
    assert word(found(0.3, 0.1), [placebo(0.19)]) == (lights.LEAK, "")
    assert word(found(0.3, 0.1), []) == (lights.LEAK, ""), "without placebos, with a remark"
    assert lights.light(found(0.3, 0.1), [], margin=MARGIN).beyond is None


def test_green_is_withheld_where_a_placebo_is_shown_to_exceed_the_margin():
    """The accidents of such a table hide as much as they show."""
    calm = found(0.0, 0.05, p=0.9)
    assert word(calm, [placebo(0.3, 0.1)]) == (lights.OPEN, lights.PLACEBO)
    assert word(calm, [placebo(0.3, 0.25)]) == (lights.CLEAR, ""), (
        "from a placebo's estimate alone nothing follows either"
    )


def test_diverged_victims_protect_nothing():
    assert word(found(0.0, 0.05, diverged=11)) == (lights.OPEN, lights.LOST)
    assert word(found(0.0, 0.05, diverged=10)) == (lights.CLEAR, "")


def test_small_leaks_within_the_margin_are_green_and_told():
    light = lights.light(found(0.05, 0.03), [placebo(0.01)], margin=MARGIN)
    assert light.word == lights.CLEAR and light.shown and not light.material
    assert lights.light(found(0.3, 0.1), QUIET, margin=MARGIN).material
    assert not lights.light(found(0.3, 0.25), [placebo(0.01)], margin=MARGIN).material


@pytest.mark.parametrize("true", [0.0, 0.3])
def test_the_number_of_splits_that_would_do_decides_four_of_five_runs(true):
    """An audit is drawn, its number taken where the estimate is the truth, and audits of that size are drawn."""
    rng = np.random.default_rng(3)

    def audit(splits):
        world = np.tile([0, 1], 10 * splits)
        split = np.repeat(np.arange(splits), 20)
        right = rng.random(len(world)) < 0.5 + true / 2
        one = leakage.advantage(right.astype(float), world, split)
        return Found(*one, models=len(world), splits=splits)

    small = audit(4)
    small = small._replace(value=true, low=true - 0.35, high=true + 0.35, p=0.1)
    needed = lights.light(small, QUIET, margin=MARGIN).splits
    assert needed > 4
    decided = np.mean([word(audit(int(needed)), [])[0] != lights.OPEN for _ in range(60)])
    assert decided >= 0.65, needed  # 0.8, less what 60 draws and an assumed interval leave open


def test_needed_counts_towards_the_nearer_conclusion():
    near_margin, near_zero = found(0.09, 0.12, p=0.2), found(0.01, 0.12, p=0.8)
    assert lights.needed(near_margin, MARGIN) < lights.needed(found(0.05, 0.12, p=0.2), MARGIN)
    assert lights.needed(near_zero, MARGIN) < lights.needed(found(0.05, 0.12, p=0.2), MARGIN)
    assert lights.needed(found(0.0, 0.05, splits=1), MARGIN) == 2
    assert lights.needed(found(0.3, 0.1), MARGIN, 0.25) > lights.needed(found(0.3, 0.1), MARGIN, 0.2)
    assert math.isnan(lights.needed(found(0.3, 0.4), MARGIN, 0.35))
    assert lights.needed(found(-0.3, 0.4), MARGIN) == lights.needed(found(0.3, 0.4), MARGIN)


def test_rows_that_bring_a_placebo_to_the_margin():
    assert lights.rows_times(0.1, 0.1) == pytest.approx(1.0)
    assert (
        lights.rows_times(-0.3, 0.1) == pytest.approx(lights.rows_times(0.3, 0.1)) and lights.rows_times(0.3, 0.1) > 8
    )


@pytest.mark.parametrize(
    ("rows", "word"), [(30, lights.OPEN), (99, lights.OPEN), (100, lights.CLEAR), (None, lights.CLEAR)]
)
def test_models_of_few_rows_are_never_clear(rows, word):
    light = lights.light(found(0.0, 0.05), QUIET, margin=MARGIN, rows=rows)
    assert light.word == word and light.reason.startswith(lights.SMALL) == (word == lights.OPEN)
    assert lights.light(found(0.5, 0.05), QUIET, margin=MARGIN, rows=rows).word == lights.LEAK
