"""What a defence needs of whoever applies it, as facts of its plugin and its settings."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ._settings import MixtureSettings

Access = Literal["training", "post-hoc"]
ACCESS: tuple[Access, ...] = ("training", "post-hoc")
"""`training`: the released model is made without M_0, by whoever trains; `post-hoc`: a model that is there is changed, or its answers."""
HALF = 0.5
"""The share of S_0 in mixtures of defences that have no setting for it."""


class Used(NamedTuple):
    """The different rows that a defence trains or fits on, beside those that M_0 was trained on, as shares of the number of rows of S_0: of S_0
    itself, of the complement and of the public pool."""

    own: float
    complement: float
    public: float


def used(defence: Any, settings: Any, held_out: float) -> Used:
    """Return what follows from what a defence declares and from its settings; held_out: the share of S_0 that validation holds out.

    A mixture takes the share `rehearsal` from S_0 and the rest from the complement, `rows` times as many in all. Without one a defence takes all of what
    it declares, and one that trains from the start all of S_0.
    """
    share = getattr(settings, "rehearsal", HALF if isinstance(settings, MixtureSettings) else None)
    size = getattr(settings, "rows", 1.0)
    if share is not None:
        own, other = share * size, (1 - share) * size
    else:
        own = float(defence.access_at(settings) == "training" and not defence.complements(settings))
        other = float(defence.complements(settings))
    reference = getattr(settings, "eo_reference", "batch")
    own += {"rehearsal+batch": 1.0, "held-out": held_out}.get(reference, 0.0)
    return Used(min(own, 1.0), other, float(defence.publishes(settings)))


def needs(defence: Any, settings: Any, found: Used) -> list[str]:
    """Return in words what whoever applies a defence must have."""
    after = defence.access_at(settings) == "post-hoc"
    there = {
        "M_0's weights": after and defence.needs_weights,
        "M_0's answers": after and not defence.needs_weights,
        "rows of S_0": found.own > 0,
        "rows of the other world": found.complement > 0,
        "public rows": found.public > 0,
        "the group of each query": defence.uses_group,
    }
    return [word for word, so in there.items() if so]
