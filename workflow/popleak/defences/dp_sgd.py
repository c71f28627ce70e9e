"""DP-SGD: training with clipped gradients and noise, at a stated epsilon and delta."""

from __future__ import annotations

import functools
import warnings
from typing import Annotated, Any, Literal

from pydantic import Field

from ..core.errors import PopleakError
from .base import Defence, Owner, Population, TrainSettings


class DpSgd(Defence):
    """A new model, from the same initial weights as M_0, trained on the rows of S_0 with DP-SGD (Abadi et al. 2016, arXiv:1607.00133).

    Each step takes each row with the same probability (Poisson batches), scales each row's gradient down to norm `clip`, adds Gaussian
    noise to their sum, and Adam takes it from there. The noise is about the least at which the accountant of privacy loss
    distributions (Gopi et al. 2021, arXiv:2106.02848, as Opacus has it) proves (epsilon, delta): whether any one row was among the
    training rows is hidden to that degree from whoever sees the model, neighbours being two sets of rows one of which has one row more. Of a
    share of the whole population, which n rows tell together, it promises next to nothing: groups of m rows are hidden at about
    m * epsilon alone. Whether it helps there is what is measured. The number of rows, the architecture and the settings count as public.

    Its twin is the same defence with `epsilon: null`: clipping and Poisson batches, but no noise. List it beside this one, with an `id`
    of its own. What else the model is made with counts as public too: features are scaled over all records of the task, as for every
    defence. The rows that validation holds out are not trained on, and nothing is chosen by them.
    """

    name = "dp-sgd"
    summary = "trained from the start with clipped gradients and noise, at a stated epsilon and delta"
    access = "training"
    classes = None
    complement = False
    requires = ("opacus",)
    wants = ("clip", "noise")

    class Settings(TrainSettings):
        epsilon: Annotated[float, Field(gt=0, le=50)] | None = 8.0
        """Epsilon of the guarantee; null: no noise, and no guarantee. Above 50 the accountant takes minutes."""
        delta: float = Field(default=1e-5, gt=0, lt=1)
        """Delta of the guarantee; it should be well below 1 / rows."""
        clip: float = Field(default=1.0, gt=0)
        """Norm that each row's gradient is scaled down to."""
        sampling: Literal["poisson", "shuffled"] = "poisson"
        """`shuffled`: every row once an epoch, as training usually does, at the noise of `poisson`. No theorem gives it this epsilon."""

        def unused(self) -> set[str]:
            return super().unused() | ({"delta"} if self.epsilon is None else set())

    def asks(self, settings: DpSgd.Settings) -> tuple[str, ...]:
        return self.wants if settings.epsilon is not None else ("clip",)

    def apply(self, owner: Owner, settings: DpSgd.Settings) -> Population:
        noise = 0.0
        if settings.epsilon is not None:
            rate, steps = owner.sampled(owner.draw.shape[1], settings.epochs)
            noise = noise_multiplier(settings.epsilon, settings.delta, rate, steps)
        return owner.train(
            owner.draw, clip=settings.clip, noise=noise, poisson=settings.sampling == "poisson", **settings.steps,
        )[0]  # fmt: skip


@functools.cache
def noise_multiplier(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """Return the standard deviation of the noise, in units of `clip`, at which so many steps, each of which takes each row with
    probability `rate`, are (epsilon, delta)-private. Raises PopleakError where no noise that the accountant tries is enough."""
    from opacus.accountants.utils import get_noise_multiplier

    try:
        return float(
            _quietly(
                get_noise_multiplier, target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=steps,
                accountant="prv",
            )
        )  # fmt: skip
    except ValueError as error:
        raise PopleakError(
            f"defence 'dp-sgd': epsilon {epsilon:g} at delta {delta:g} is out of the accountant's reach ({error}): raise it"
        ) from None


def _quietly(function: Any, **arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(**arguments)


PLUGIN = DpSgd()
