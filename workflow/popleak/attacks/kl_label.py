"""The KL test on hard labels: scores of the adversary's own shadows, labels alone of the victim."""

from __future__ import annotations

from .kl import KL


class KLLabel(KL):
    """score of `kl`, the victim's hard labels, clipped to {clip, 1 - clip}, taking the place of its scores.

    Threshold and scale as in `kl`: each left-out shadow is judged by ITS labels against the scores of the others, for
    this is how a victim is judged. Source: the label-only variant of the KL attack of Suri et al., "Dissecting
    Distribution Inference", SaTML 2023.
    """

    name = "kl-label"
    summary = "the world whose shadows' scores the victim's hard labels diverge from least"
    access = "labels"
    shadow_access = "scores"
    many = False
    hard = True


PLUGIN = KLLabel()
