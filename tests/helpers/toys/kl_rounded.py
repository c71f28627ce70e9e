"""The attack `kl` where victims show rounded scores, and the adversary's own shadows all of theirs."""

from __future__ import annotations

from popleak.attacks.kl import KL


class KLRounded(KL):
    """As `kl`."""

    name = "kl-rounded"
    summary = "the attack kl on rounded scores"
    access = "rounded"
    shadow_access = "scores"
    many = False


PLUGIN = KLRounded()
