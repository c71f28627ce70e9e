"""The KL test on hard labels: scores of the adversary's own shadows, labels alone of the victim."""

from __future__ import annotations

from pydantic import Field

from .kl import KL

CLIP = 0.01


class KLLabel(KL):
    """score of `kl`, the victim's hard labels, clipped to {clip, 1 - clip}, taking the place of its scores.

    Threshold and scale as in `kl`: each left-out shadow is judged by ITS labels against the scores of the others, for
    this is how a victim is judged. A label is no certainty: clipped at 0.01, one that goes against a shadow counts log 99 at
    most and not, as at the clip of `kl`, log 9999. Source: the label-only variant of the KL attack of Suri et al., "Dissecting
    Distribution Inference", SaTML 2023.
    """

    name = "kl-label"
    summary = "the world whose shadows' scores the victim's hard labels diverge from least"
    access = "labels"
    shadow_access = "scores"
    many = False
    hard = True

    class Settings(KL.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Labels of the victim, and scores of the shadows, are clipped to [clip, 1 - clip] before logarithms are taken: a label
        counts as so sure a score."""


PLUGIN = KLLabel()
