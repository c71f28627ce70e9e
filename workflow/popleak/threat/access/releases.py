"""The scores of all models that one owner released over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import PopleakError
from ...core.protocols import Role
from .base import OfAnswers, Source

if TYPE_CHECKING:
    from ...store.answers import Answers


class Releases(OfAnswers):
    """(k q,) scores of an owner's k releases under one defence, the earliest first; of C > 2 classes (k q, C).

    The owner stands in tables under the number of its last release. It diverged if one of its releases did.
    """

    name = "releases"
    summary = "scores of all models that an owner released over time"
    words = "scores of several releases"
    mark = "all releases"
    place = 6
    holds = ("labels", "scores")
    several = True
    shown_by = ()
    covered = False

    def sets_in(self, kept: Answers) -> int:
        told = kept.keys.get("releases")
        return self.sets if told is None or not len(told) else int(told[0])

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        found, each = super().read(source, role, arm, repeats, votes), source.releases
        keys = found.keys
        order = np.lexsort((keys["model_index"], keys["split"], keys["world"]))
        if len(order) % each or np.any(keys["model_index"][order] % each != np.arange(len(order)) % each):
            raise PopleakError(
                f"access releases: the answers of {len(order)} models are not those of owners with {each} releases each"
            )
        owners = order.reshape(-1, each)
        last = {name: values[owners[:, -1]] for name, values in keys.items()}
        finite: np.ndarray = np.all(keys["finite"][owners], axis=1)
        shape = found.scores.shape[1:]
        scores = found.scores[owners].reshape(len(owners), each * shape[0], *shape[1:])
        return found._replace(keys={**last, "finite": finite, "releases": np.full(len(owners), each)}, scores=scores)


PLUGIN = Releases()
