"""The joint Gaussian likelihood ratio on all models that one owner released over time."""

from __future__ import annotations

from .lda import Lda


class Releases(Lda):
    """score of `lda` on the scores of an owner's k releases, the earliest first: (k q,) columns.

    What releasing again gives away, beyond one model. The joint covariance knows that releases which share rows repeat each other.
    """

    name = "releases"
    summary = "joint Gaussian log-likelihood ratio of the answers of all models that an owner released"
    access = "releases"


PLUGIN = Releases()
