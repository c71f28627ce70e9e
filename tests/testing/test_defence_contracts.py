"""The contract suite of defences: it takes what keeps the contract, and says in words what does not."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from popleak.core.settings import Settings
from popleak.defences.base import AnswersSettings, Defence, Population, Used, mixture
from popleak.testing.defences import DEFENCE_CHECKS


class Sound(Defence):
    """Keeps the contract, all of it: trains on both kinds of rows, keeps a state, answers at random and by the group."""

    name = "sound"
    summary = "keeps the contract"
    public = True
    wants = ("targets",)
    randomised = True
    uses_group = True
    access = "training"

    def used(self, settings, held_out=0.0):
        return Used(0.5, 0.5, 1.0)

    class Settings(Settings):
        spread: float = 0.1
        """How far answers are moved."""

    def apply(self, owner, settings):
        rows = np.concatenate([mixture(owner, 0.5), owner.public], 1)
        return owner.train(rows, targets=owner.y[rows].astype(np.int64), epochs=1)[0]

    def finish(self, owner, population, settings):
        return np.nan_to_num(owner.predict(population.weights, owner.base)).mean(1, keepdims=True)

    def answer(self, *, scores, group, state, repeats, rng, settings):
        noise = rng.random((repeats, len(scores)))
        return np.clip(scores + settings.spread * (noise - state[0] + group), 0, 1)


def check(defence: Defence) -> None:
    for one in DEFENCE_CHECKS:
        one(defence, defence.Settings())


def test_what_keeps_the_contract_is_taken():
    check(Sound())


class Quiet(Sound):
    """Answers for any number of classes, and always alike."""

    classes = None
    randomised = uses_group = False
    finish = Defence.finish

    def answer(self, *, scores, group, state, repeats, rng, settings):
        return np.round(scores)[None] if scores.ndim == 1 else scores[None]


def test_what_answers_always_alike_is_taken():
    check(Quiet())


class Older(Sound):
    """Says nothing of what depends on settings."""

    def answer(self, **asked):
        assert isinstance(asked["rng"], np.random.Generator)
        return super().answer(**asked)


def test_what_was_written_before_there_were_frozen_answers_is_taken():
    plugin = Older()
    assert plugin.randomises(plugin.Settings()) and not plugin.freezes(plugin.Settings())
    assert plugin.members(plugin.Settings()) == 1
    check(plugin)


class Icy(Sound):
    """Draws once for each model and query point."""

    class Settings(AnswersSettings):
        answers: Literal["fresh", "frozen"] = "frozen"
        """Whether a query that is asked again is drawn again."""
        spread: float = 0.1
        """How far answers are moved."""


class Choir(Icy):
    """A release of two models, of which one is drawn for each query."""

    def members(self, settings):
        return 2

    def used(self, settings, held_out=0.0):
        return Used(1.0, 0.5, 1.0)

    def apply(self, owner, settings):
        found = super().apply(owner, settings)
        other = owner.train(owner.draw, epochs=2)[0]
        return Population(
            np.concatenate([found.weights, other.weights], 1), found.finite, found.eo_weight, found.eo_vacuous
        )

    def finish(self, owner, population, settings):
        return np.full((len(owner.seeds), 1), 0.5)

    def answer(self, *, scores, group, state, repeats, rng, settings):
        first = rng.random((repeats, scores.shape[1])) < state[0]
        return np.where(first, scores[0], scores[1])

    uses_group = False


@pytest.mark.parametrize("answers", ["fresh", "frozen"])
@pytest.mark.parametrize("defence", [Icy(), Choir()], ids=["one", "several"])
def test_what_answers_at_random_is_taken_fresh_and_frozen(defence, answers):
    for one in DEFENCE_CHECKS:
        one(defence, defence.Settings(answers=answers))


class Melting(Icy):
    def answer(self, *, scores, group, state, repeats, rng, settings):
        found = super().answer(scores=scores, group=group, state=state, repeats=repeats, rng=rng, settings=settings)
        return np.clip(found + 0.01 * np.arange(repeats)[:, None], 0, 1)


class Crowded(Icy):
    def answer(self, *, scores, **asked):
        found = super().answer(scores=scores, **asked)
        return np.clip(found + 0.01 * (scores >= np.median(scores)), 0, 1)


class Unmoved(Icy):
    def answer(self, *, scores, group, state, repeats, rng, settings):
        return np.repeat(np.clip(scores + settings.spread * group, 0, 1)[None], repeats, 0)


class Hasty(Choir):
    def apply(self, owner, settings):
        return Sound.apply(self, owner, settings)


class Mute(Choir):
    randomised = False
    finish, answer = Defence.finish, Defence.answer


class Afterwards(Quiet):
    """Says that it needs M_0, which it never looks at; it answers as the model does."""

    access = "post-hoc"
    answer = Defence.answer


class Greedy(Quiet):
    """Trains on more rows of S_0 than it says."""

    def used(self, settings, held_out=0.0):
        return Used(0.25, 0.5, 1.0)


class Modest(Quiet):
    """Says nothing of its rows, which are then taken for all of the complement; half of S_0 takes part."""

    used = Defence.used


class Undeclared(Sound):
    wants = ()


class NoRows(Sound):
    complement = False


class Idle(Sound):
    def apply(self, owner, settings):
        return owner.train(owner.draw, targets=owner.y[owner.draw].astype(np.int64), epochs=1)[0]


class Forgetful(Sound):
    def apply(self, owner, settings):
        found = super().apply(owner, settings)
        noise = np.random.normal(size=found.weights.shape)  # noqa: NPY002
        return Population(found.weights + noise, found.finite, found.eo_weight, found.eo_vacuous)


class Neighbourly(Sound):
    def apply(self, owner, settings):
        found = super().apply(owner, settings)
        mean = found.weights.mean(0, keepdims=True)
        return Population(found.weights + mean, found.finite, found.eo_weight, found.eo_vacuous)


class Ordered(Sound):
    def finish(self, owner, population, settings):
        return np.arange(len(owner.seeds), dtype=float)[:, None]


class Lost(Sound):
    def finish(self, owner, population, settings):
        return np.full((len(owner.seeds), 1), np.nan)


class Rough(Sound):
    def apply(self, owner, settings):
        owner.population.weights[:] = 0
        return super().apply(owner, settings)


class Spoilt(Sound):
    def finish(self, owner, population, settings):
        sound = np.isfinite(owner.population.weights).all()
        return super().finish(owner, population, settings) + float(sound)


class Diverging(Sound):
    def apply(self, owner, settings):
        found = super().apply(owner, settings)
        return Population(found.weights * np.nan, found.finite, found.eo_weight, found.eo_vacuous)


class Beyond(Sound):
    def answer(self, **asked):
        return 1 + super().answer(**asked)


class Blind(Sound):
    uses_group = False


class Steady(Sound):
    def answer(self, *, scores, group, state, repeats, rng, settings):
        return np.repeat(np.clip(scores + 0.1 * (rng.random(len(scores)) + group), 0, 1)[None], repeats, 0)


class Decided(Sound):
    randomised = False


class Secret(Sound):
    def answer(self, *, scores, repeats, **asked):
        noise = np.random.default_rng().random((repeats, len(scores)))
        return np.clip(scores + 0.1 * noise, 0, 1)


class Sure(Sound):
    def answer(self, **asked):
        return np.nan_to_num(super().answer(**asked))


class Flat(Sound):
    def answer(self, **asked):
        return super().answer(**asked)[0]


class Unheard(Sound):
    answer = Defence.answer


class Both(Sound):
    closed_form = True


class Strange(Sound):
    wants = ("luck",)


class Alone(Sound):
    control = "sound"


@pytest.mark.parametrize(
    ("defence", "message"),
    [
        (Undeclared(), "trains with targets, which its `wants` does not declare"),
        (NoRows(), "complement: .* rows of group 0 are asked for"),
        (Idle(), "complement = True, but nothing changes"),
        (Forgetful(), "the same owners twice"),
        (Neighbourly(), "a model depends on"),
        (Ordered(), "depends on the order of the models"),
        (Lost(), "its state must be finite"),
        (Spoilt(), "a diverged base model moves those beside it"),
        (Diverging(), "must be finite"),
        (Beyond(), r"must lie in \[0, 1\]"),
        (Blind(), "say uses_group = True"),
        (Steady(), "must be answered afresh"),
        (Decided(), "say randomised = True"),
        (Secret(), "must come from rng alone"),
        (Sure(), "must stay so"),
        (Flat(), r"answers of shape \(60,\), not \(3, 60\)"),
        (Unheard(), "only `answer` can make use of it"),
        (Both(), "closed_form or wants"),
        (Strange(), "wants must name some of targets, weights, mask, clip"),
        (Afterwards(), 'say access = "training"'),
        (Greedy(), "0.50 of the rows own are trained on, not 0.25"),
        (Modest(), "0.50 of the rows own are trained on, not 0.00"),
        (Alone(), "its own control says at which settings"),
        (Melting(), "a query that is asked again is answered otherwise"),
        (Crowded(), "depend on what else is asked"),
        (Unmoved(), "frozen draws, but do not depend on them"),
        (Hasty(), r"weights of shape \(4, 65\), not \(4, 130\)"),
        (Mute(), "only `answer` makes one answer of those of several"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Defence) else "",
)
def test_what_breaks_it_is_told(defence, message):
    with pytest.raises(AssertionError, match=message):
        check(defence)


def test_base_models_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        check(Rough())
