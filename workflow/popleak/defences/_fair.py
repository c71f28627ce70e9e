"""Fair fine-tuning: the term, and lambda given or chosen (method section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._mixture import mixture
from ._owner import Owner, Population, Validation
from ._settings import EOSettings

if TYPE_CHECKING:
    from ..engine.eo import Penalty


def penalty_of(settings: EOSettings, weight: float) -> Penalty:
    """Return the engine's penalty for these settings at one lambda."""
    from ..engine.eo import Penalty

    return Penalty(weight, settings.penalty, settings.eo_target, criterion=settings.criterion)


def fair_fine_tune(
    owner: Owner, settings: EOSettings, rehearsal: float, mask: np.ndarray | None = None, share: float = 1.0
) -> Population:
    """Fine-tune on the mixture with the EO term (method section 2), lambda given or chosen on validation rows. share: see `mixture`.

    mask (P,): the weights that may move; None: all. Validation rows are held out of S_0 when the base is trained, and out of the mixture
    here; `train` leaves out those that either training saw all the same (rehearsed rows are rows of S_0). A lambda of the grid
    is refused only where they show that the difference of the criterion's rates exceeds the target (`measures.target.exceeds`): rows that show nothing refuse nothing.
    """
    from ..measures import target

    rows = mixture(owner, rehearsal, share)
    grid = settings.eo_grid if settings.eo_weight == "auto" else (settings.eo_weight,)
    extra = owner.base if settings.eo_reference == "rehearsal+batch" else None

    def tuned(part: np.ndarray, weight: float) -> tuple[Population, Validation]:
        found, validation = owner.train(
            rows[part],
            part=part,
            start=owner.population.weights[part],
            **settings.steps,
            mask=mask,
            penalty=penalty_of(settings, weight),
            extra=None if extra is None else extra[part],
            held_out=settings.eo_reference == "held-out",
        )
        if validation is None:
            raise TypeError("an owner must say what models trained with an EO term do on their validation rows")
        return found, validation

    part = np.arange(len(rows))
    found, validation = tuned(part, grid[0])
    best = found
    for weight in grid[1:]:  # it rises: the first lambda that is not refused is the smallest
        # a model whose EO term never bit (one group only) gains nothing from a larger lambda
        positives, counts = (
            target.compared(settings.criterion, one) for one in (validation.positives, validation.counts)
        )
        refused = target.exceeds(positives, counts, settings.eo_target)
        part = part[refused & (found.eo_vacuous < 1)]
        if not len(part):
            break
        found, validation = tuned(part, weight)
        best = best.replaced(part, found)
    return best
