"""The meta-classifier on two models: the published base and the model that was made of it."""

from __future__ import annotations

from .meta import Meta


class Pair(Meta):
    """score of `meta` on the scores of the base model M_0 and of the defended model, in this order: (2q,) columns.

    What publishing the base as well gives away, beyond the defended model alone.
    """

    name = "pair"
    summary = "logistic regression on the outputs of the base model and of the defended model, fitted to shadows"
    access = "pair"
    many = False


PLUGIN = Pair()
