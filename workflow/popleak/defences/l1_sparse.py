"""Fine-tuning with an l1 penalty that fades: l1-sparse unlearning."""

from __future__ import annotations

from pydantic import Field

from .base import Defence, Owner, Population, RetuneSettings, retune


class L1Sparse(Defence):
    """M_0 goes on training on complement and rehearsal rows, with l1 times the sum of the weights' absolute values beside cross-entropy (Jia et
    al., NeurIPS 2023, "Model sparsity can simplify machine unlearning").

    The penalty falls linearly to 0 over the epochs, as there: it first drives the weights that the new rows do not hold up towards 0, and
    then lets the others recover. Without it this is `rehearsal`.
    """

    name = "l1-sparse"
    summary = "fine-tune on complement and rehearsal rows, with an l1 penalty that falls to 0"
    classes = None
    wants = ("l1",)

    class Settings(RetuneSettings):
        l1: float = Field(default=5e-4, ge=0, le=100)
        """Strength of the penalty at the start. The default is that of the authors' code."""

    def apply(self, owner: Owner, settings: L1Sparse.Settings) -> Population:
        return retune(owner, settings, owner.population.weights, l1=settings.l1)


PLUGIN = L1Sparse()
