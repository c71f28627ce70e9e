"""Words that files, settings and tables share: how worlds differ, whose model it is, how a ratio is drawn.

None of the protocols is a word that readers of CSV take for a missing value, as they do with `null`, which earlier versions wrote.
"""

from __future__ import annotations

from typing import Literal

PURE = "pure"
RATIO = "ratio"
EQUAL = "equal"
MANY = "k-ary"
MEMBERSHIP = "membership"
UNSEEN = "membership-unseen"
POISONED = "membership-poisoned"
SAMPLES = "samples"
UNFAIR = "fairness-poisoning"
FLIPPING = "label-flipping"
PROTOCOLS = (PURE, RATIO, EQUAL, MANY, MEMBERSHIP, UNSEEN, POISONED, SAMPLES, UNFAIR, FLIPPING)
OLD = {None: EQUAL, "null": EQUAL}
"""Words of earlier versions, which configs may still hold; an unquoted null in YAML is None."""

Role = Literal["victim", "shadow"]
ROLES: tuple[Role, ...] = ("victim", "shadow")
Ask = Literal["drawn", "separating"]
"""Which query points an adversary asks who may ask few: any, or those on which its shadows of the worlds differ most."""
RatioMode = Literal["natural", "label-balanced"]
"""Whether the label rate moves with the ratio, or is the same in all draws."""
