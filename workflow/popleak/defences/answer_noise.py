"""Noise on every answer: the model stays as it is, what it says of it does not."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from .base import AnswersSettings, Defence, Owner, Population, Stream


class AnswerNoise(Defence):
    """The logit of each answer is moved by Gaussian noise, drawn afresh for each query that is asked, or once for each query point (`answers`);
    of more than two classes the logarithm of each class's probability, before they are made to sum to 1 again.

    Fresh noise bounds what one question tells, not what many do: the mean over repeats of a query forgets the noise, which is why the
    adversary may repeat its queries (`repeats`). Answers lie strictly between 0 and 1.
    """

    name = "answer-noise"
    summary = "Gaussian noise on the logit of every answer, fresh for every query"
    plain = "the model stays as it is, and noise is added to each answer"
    needs_weights = False
    classes = None
    complement = False
    closed_form = True
    randomised = True
    seconds = 0.0

    class Settings(AnswersSettings):
        sd: float = Field(default=1.0, gt=0)
        """Standard deviation of the noise, in logits."""

    def apply(self, owner: Owner, settings: AnswerNoise.Settings) -> Population:
        return owner.population

    def answer(
        self,
        *,
        scores: np.ndarray,
        group: np.ndarray,
        state: np.ndarray,
        repeats: int,
        rng: Stream,
        settings: AnswerNoise.Settings,
    ) -> np.ndarray:
        inside = np.clip(scores.astype(np.float64), 1e-12, 1 - 1e-12)
        noise = rng.normal(scale=settings.sd, size=(repeats, *scores.shape))
        if scores.ndim == 1:
            given = 1 / (1 + np.exp(-(np.log(inside) - np.log1p(-inside) + noise)))
        else:
            logits = np.log(inside) + noise
            given = np.exp(logits - logits.max(-1, keepdims=True))
            given /= given.sum(-1, keepdims=True)
        one = np.float32(1)
        # as float32 a score near 1 would round to 1
        return np.clip(given.astype(np.float32), np.nextafter(np.float32(0), one), np.nextafter(one, np.float32(0)))


PLUGIN = AnswerNoise()
