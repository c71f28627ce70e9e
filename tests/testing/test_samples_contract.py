"""The contract of attacks on generators catches those that break it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from popleak.attacks import property_inference
from popleak.measures import shares
from popleak.testing import samples as contract


class Honest(type(property_inference.PLUGIN)):
    name = "honest"

    def calibrate_many(self, **keys):
        return self.change(super().calibrate_many(**keys), keys)

    def change(self, estimator, keys):
        return estimator


class Upside(Honest):
    def change(self, estimator, keys):
        share = estimator.share
        estimator.share = lambda outputs: shares.of(1 - share(outputs).raw, width=0.1)
        return estimator


class Silent(Honest):
    def change(self, estimator, keys):
        estimator.share = lambda outputs: shares.UNTOLD
        return estimator


class Guesses(Honest):
    """Says that it cannot tell, and estimates all the same."""

    def change(self, estimator, keys):
        share = estimator.share
        estimator.share = lambda outputs: share(outputs)._replace(amplification=math.inf)
        return estimator


class Exact(Honest):
    """Clips raw too."""

    def change(self, estimator, keys):
        share = estimator.share
        estimator.share = lambda outputs: shares.of(3 * share(outputs).raw - 1, width=0.1)._replace(clipped=False)
        return estimator


class Unclipped(Honest):
    def change(self, estimator, keys):
        share = estimator.share
        estimator.estimate = lambda outputs: 3 * share(outputs).raw - 1
        return estimator


class Disagrees(Honest):
    def change(self, estimator, keys):
        estimator.estimate = lambda outputs: 0.25
        return estimator


class First(Honest):
    """Reads the first sample more than the others."""

    def change(self, estimator, keys):
        share = estimator.share
        estimator.share = lambda outputs: shares.of(0.9 * share(outputs).raw + 0.1 * float(outputs[0, 1]), width=0.1)
        return estimator


class Remembers(Honest):
    """Reads the victim before this one."""

    def change(self, estimator, keys):
        share, seen = estimator.share, [np.zeros((1, 2)), np.zeros((1, 2))]

        def remembered(outputs):
            if not np.array_equal(seen[-1], outputs):
                seen.append(outputs)
            return shares.of(share(outputs).raw * (1 - 1e-3 * seen[-2][:, 1].mean()), width=0.1)

        estimator.share = remembered
        return estimator


class Noisy(Honest):
    def change(self, estimator, keys):
        share, noise = estimator.share, 1e-3 * np.random.random()  # noqa: NPY002
        estimator.share = lambda outputs: shares.of(share(outputs).raw * (1 - noise), width=0.1)
        return estimator


class FirstShadow(Honest):
    shadows = True

    def change(self, estimator, keys):
        share, shift = estimator.share, 1e-3 * keys["shadows"][0][0].mean()
        estimator.share = lambda outputs: shares.of(share(outputs).raw * (1 - shift), width=0.1)
        return estimator


class ReadsX(Honest):
    def change(self, estimator, keys):
        share, shift = estimator.share, 1e-3 * keys["query"].x[0, 0]
        estimator.share = lambda outputs: shares.of(share(outputs).raw * (1 - shift), width=0.1)
        return estimator


class Pairs(Honest):
    def calibrate(self, **keys):
        return None


class Empty(Honest):
    def change(self, estimator, keys):
        share = estimator.share
        estimator.share = lambda outputs: share(outputs)._replace(raw=np.nan)
        return estimator


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (Upside, "easy", "do not rise with the ratio"),
        (Silent, "easy", "cannot tell natural draws"),
        (Guesses, "sound", "where nothing can be told the estimate is 0.5"),
        (Exact, "sound", "clipped must say whether"),
        (Unclipped, "sound", r"float in \[0, 1\]"),
        (Disagrees, "sound", "share and estimate must say the same"),
        (First, "order", "order of a generator's samples"),
        (FirstShadow, "order", "order of shadows"),
        (Remembers, "alone", "depends on what was judged before"),
        (Noisy, "alone", "alone differs"),
        (ReadsX, "reads", "depend on origin, x of the query set"),
        (Pairs, "class", "calibrate must raise PopleakError"),
        (Empty, "sound", "raw and amplification must be numbers"),
    ],
)
def test_suite_catches(broken, check, message):
    held = getattr(contract, f"check_{check}")
    held(Honest(), Honest().Settings())
    with pytest.raises(AssertionError, match=message):
        held(broken(), broken().Settings())


def test_a_promise_is_held_to():
    broken = type("Broken", (Honest,), {"estimates_within": 0.005})()
    with pytest.raises(AssertionError, match=r"not the 0\.005 that was promised"):
        contract.check_easy(broken, broken.Settings())
    with pytest.raises(AssertionError, match="estimates_within must be None or from 0 to 1"):
        contract.check_class(type("Broken", (Honest,), {"estimates_within": 5})(), broken.Settings())


def test_suite_catches_what_is_no_attack_on_generators():
    with pytest.raises(AssertionError, match=r"subclass attacks\._samples\.SampleAttack"):
        contract.check_samples_attack(object())
