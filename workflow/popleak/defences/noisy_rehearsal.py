"""Noisy fine-tuning of the last layer on the mixture: forgets the base's world at a certified rate."""

from __future__ import annotations

from ._noisy import Noisy


class NoisyRehearsal(Noisy):
    """Noisy full-batch gradient descent from M_0, projected on a ball, on complement and rehearsal rows in equal parts.

    The loss is ridge logistic regression, which is convex: each step brings starts closer by a known factor, and the noise hides
    what is left. The advantage that remains to any adversary is certified for each model's own rows (statement B of docs/certificates.md).
    Of a logistic regression all weights move. Of a larger network the last layer does, on features that do not know the world.
    """

    name = "noisy-rehearsal"
    summary = "noisy convex fine-tuning on complement and rehearsal rows, with a certificate (control of noisy-fft)"


PLUGIN = NoisyRehearsal()
