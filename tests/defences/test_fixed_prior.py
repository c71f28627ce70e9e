"""A sharer that releases a fixed share of each group."""

from __future__ import annotations

import numpy as np
import pytest

import generated
import owning
from popleak.core import plugins

PLUGIN = plugins.load("defences", "fixed-prior")


def test_the_generator_stays_what_it_is():
    owner = owning.owner("fixed-prior")
    assert PLUGIN.apply(owner, PLUGIN.Settings()) is owner.population and not owner.ledger
    assert PLUGIN.group_share(PLUGIN.Settings(share=0.3)) == 0.3


def test_is_for_generators_alone():
    assert PLUGIN.generators and not PLUGIN.classifiers
    others = [plugins.load("defences", name) for name in plugins.names("defences")]
    assert [one.name for one in others if not one.classifiers] == ["fixed-prior"]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match="share"):
        PLUGIN.Settings(share=share)


def test_counting_the_group_says_nothing_but_the_share():
    """At every ratio, of every generator, and no two estimates differ."""
    found = generated.ran().table("shares")
    found = found[(found["adversary"] == "property-inference") & (found["defence"] == "fixed-prior")]
    assert set(found["ratio"]) == set(generated.RATIOS) and np.ptp(found["raw"]) == 0
    assert found["raw"].iloc[0] == pytest.approx(0.3)


def test_no_generator_is_trained_for_it():
    plain, fixed = (generated.build(sharers=sharers) for sharers in (["none"], ["none", "fixed-prior"]))
    assert generated.ids(plain, "train", "defend") == generated.ids(fixed, "train", "defend")
    new = generated.ids(fixed, "sample") - generated.ids(plain, "sample")
    assert len(new) == len(generated.ids(plain, "sample")) and all("-chosen-" in one for one in new)


def test_two_shares_are_two_releases():
    other = {"name": "fixed-prior", "id": "other", "settings": {"share": 0.3}}
    plan = generated.build(sharers=["none", "fixed-prior", other])
    shares = sorted(str(step.settings.group_share) for step in generated.steps(plan, "sample"))
    assert shares == ["0.3", "0.5", "None"]
