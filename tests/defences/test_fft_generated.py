"""Fair fine-tuning whose complement is generated: its composition, whose rows it has, and what cannot be had."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import owning
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.needs import Mixing
from popleak.defences import fft_generated

PLUGIN = plugins.load("defences", "fft-generated")
SIZE = len(owning.RECORDS.y)


def of(**settings):
    return PLUGIN.Settings(**settings)


def with_groups(ones, m=100):
    """Return owners whose generators gave m rows, so many of group 1."""
    owner = owning.owner("none")
    k = len(owner.seeds)
    a = (np.arange(m) < ones).astype(np.int8)
    y = (np.arange(m) % 2).astype(np.int8)
    owner.receive(np.zeros((k, m, owner.x.shape[1]), np.float32), np.tile(y, (k, 1)), np.tile(a, (k, 1)))
    return owner


@pytest.mark.parametrize("settings", [{}, {"rehearsal": 0.2}, {"rehearsal": 0.0, "rows": 0.5}, {"rehearsal": 1.0}])
@pytest.mark.parametrize("ones", [3, 50, 97])
def test_the_complement_has_the_other_worlds_ratio_whatever_the_generators_is(settings, ones):
    owner = with_groups(ones)
    wanted = owner.mixing.parts(of(**settings).rehearsal, of(**settings).rows)[1]
    found = fft_generated.complement(owner, of(**settings))
    assert found.shape == (len(owner.seeds), sum(wanted.values()))
    for mine, own in zip(found, owner.samples, strict=True):
        assert set(mine) <= set(own), "of the model's own generator"
        assert Counter(owner.a[mine].tolist()) == Counter({a: size for (_, a), size in wanted.items() if size})
        times = Counter(mine.tolist())
        for group in (0, 1):
            there = [times[row] for row in own if owner.a[row] == group]
            assert max(there) - min(there) <= 1, "as evenly repeated as can be"


def test_strata_of_balanced_labels_are_met_too():
    owner = with_groups(40)
    owner.mixing = Mixing(owner.mixing.ratios, owner.mixing.rows, "label-balanced", 0.4)
    wanted = owner.mixing.parts(0.5, 1.0)[1]
    for mine in fft_generated.complement(owner, of()):
        assert Counter(zip(owner.y[mine].tolist(), owner.a[mine].tolist(), strict=True)) == Counter(wanted)


def test_a_stratum_that_is_never_drawn_is_named():
    with pytest.raises(
        PopleakError, match=r"fft-generated: \d+ rows of group 1 are asked for, and the generator draws none among 100"
    ) as said:
        fft_generated.complement(with_groups(0), of())
    assert "\n" not in str(said.value)


def test_nothing_is_asked_of_a_group_of_which_no_row_is_wanted():
    assert fft_generated.complement(with_groups(0), of(rehearsal=1.0)).shape[1] == 0


@pytest.mark.parametrize("rehearsal", [0.25, 0.5])
def test_trains_on_own_rows_and_generated_ones_and_on_no_other_record(rehearsal):
    given, seen = owning.trainings("fft-generated", rehearsal=rehearsal)
    (rows, how), *_ = seen
    assert how["start"] is not None and how["penalty"] is not None
    for mine, own, generated in zip(rows, given.draw, given.samples, strict=True):
        assert set(mine[mine < SIZE]) <= set(own) and set(mine[mine >= SIZE]) <= set(generated)
        assert (mine < SIZE).mean() == pytest.approx(rehearsal, abs=0.01)


def test_the_mixture_has_the_composition_of_fair_fine_tuning_with_rehearsal():
    given, seen = owning.trainings("fft-generated")
    like, others = owning.trainings("fft-rehearsal")
    for mine, other in zip(seen[0][0], others[0][0], strict=True):
        assert given.a[mine].mean() == like.a[other].mean() and len(mine) == len(other)


def test_no_complement_is_drawn_for_it():
    assert not PLUGIN.complements(of()) and PLUGIN.used(of()).complement == 0
