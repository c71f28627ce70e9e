"""The adaptive adversary of a generator whose samples do not show the group."""

from __future__ import annotations

from ._statistics import ShadowAttack


class ShadowGeneratorsWithheld(ShadowAttack):
    __doc__ = ShadowAttack.__doc__

    name = "shadow-generators-withheld"
    summary = "regression of the ratio on statistics of samples that do not show the group, fitted to shadow generators"
    access = "samples-withheld"


PLUGIN = ShadowGeneratorsWithheld()
