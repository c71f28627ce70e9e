"""The adaptive adversary of a generator whose samples show the group."""

from __future__ import annotations

from ._statistics import ShadowAttack


class ShadowGenerators(ShadowAttack):
    __doc__ = ShadowAttack.__doc__

    name = "shadow-generators"
    summary = "regression of the ratio on statistics of samples, group included, fitted to shadow generators"
    access = "samples"


PLUGIN = ShadowGenerators()
