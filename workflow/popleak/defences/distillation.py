"""Distillation: what is released is a student that learnt what M_0, or another teacher, says of some rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from ..core import plugins
from ..core.needs import Mixing, half_up
from ..core.seeds import generator
from ._price import Access, Used
from .base import Defence, Owner, Population, TrainSettings

BASE, ENSEMBLE = "base", "ensemble"
"""Teachers that are no defence: M_0, and several models that were each trained on a part of S_0."""


class Distillation(Defence):
    """A student, from the same initial weights as M_0, is trained on public rows with what M_0 says of them, and released in its place
    (Hinton et al. 2015; as a defence Shejwalkar and Houmansadr, AAAI 2021; what is left of membership: Jagielski et al., "Students parrot
    their teachers", NeurIPS 2023, arXiv:2303.03446).

    Public rows come from a pool of their own, whose records no model was trained on and no adversary asks; their labels are not used. Soft labels are
    M_0's probabilities to the power 1 / `temperature`, made to sum to 1: above 1 they are less sure. The student learns them as they
    are, so at a high temperature its own answers are less sure too. Hard labels are M_0's most probable class. A teacher that
    diverged teaches nothing: its student is the teacher.

    Of the public rows the share `near` is replaced by near-duplicates of rows of S_0: copies in which one column has the value of a public row.
    With `rows: own` the student learns from S_0 itself. The teacher `ensemble` is the mean of `parts` models, each trained on a part of S_0
    that shares no row with the others (as in PATE: Papernot et al., ICLR 2017). Any defence that changes the weights alone can teach too:
    name it and, in `teacher_settings`, its settings. It is applied here again, to the same models with the same seeds, so that
    the teacher is what that defence releases.
    """

    name = "distillation"
    summary = "a student trained on public rows with the model's own soft labels"
    needs_weights = False
    classes = None
    complement = False
    public = True
    wants = ("targets",)

    class Settings(TrainSettings):
        labels: Literal["soft", "hard"] = "soft"
        """What the student is trained to predict: M_0's probabilities, or its most probable class."""
        temperature: float = Field(default=1.0, gt=0, le=1000)
        """Soft labels are made less sure above 1, and surer below."""
        rows: Literal["public", "own"] = "public"
        """What the student is trained on: public rows, or S_0 (self-distillation)."""
        near: float = Field(default=0.0, ge=0, le=1)
        """Share of the public rows that are replaced by near-duplicates of rows of S_0."""
        teacher: str = BASE
        """`base` (M_0), `ensemble`, or a defence that changes the weights alone."""
        teacher_settings: dict[str, Any] = {}
        """Settings of the defence that teaches; its defaults for those left out."""
        parts: int = Field(default=4, ge=2, le=64)
        """Models of the teacher `ensemble`."""

        def unused(self) -> set[str]:
            there = {
                "temperature": self.labels == "soft",
                # a student of M_0 on public rows is how it always was: the names of such arms stay what they were
                "rows": self.rows != "public",
                "near": self.rows == "public" and self.near > 0,
                "teacher": self.teacher != BASE,
                "teacher_settings": self.taught_by is not None,
                "parts": self.teacher == ENSEMBLE,
            }
            return super().unused() | {name for name, so in there.items() if not so}

        @property
        def taught_by(self) -> str | None:
            """The defence that teaches; None: none does."""
            return None if self.teacher in (BASE, ENSEMBLE) else self.teacher

        @model_validator(mode="before")
        @classmethod
        def _taught(cls, given: Any) -> Any:
            """Fill in the settings of the defence that teaches. Raises ValueError for one that cannot."""
            if not isinstance(given, Mapping):
                return given
            if given.get("teacher", BASE) in (BASE, ENSEMBLE):
                if given.get("teacher_settings"):
                    raise ValueError("teacher_settings: only a defence that teaches has settings: name it as `teacher`")
                return given
            teacher, told = str(given["teacher"]), given.get("teacher_settings") or {}
            able = {
                name: plugin for name in plugins.names("defences") if teaches(plugin := plugins.load("defences", name))
            }
            if teacher not in able:
                raise ValueError(
                    f"teacher: no model to learn from is made by {teacher!r}: choose from base, ensemble, {', '.join(able)}"
                )
            try:
                settings = able[teacher].Settings.model_validate(told).resolved()
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(["teacher_settings", *map(str, first["loc"])])
                raise ValueError(f"{where}: {first['msg']}") from None
            if (
                settings.get("eo_weight") == "auto"
            ):  # the plan counts the validation rows of the task's own defences alone
                raise ValueError("teacher_settings.eo_weight: a teacher does not search for it: give a number")
            return {**given, "teacher_settings": settings}

    def teacher_of(self, settings: Distillation.Settings) -> tuple[str, dict[str, Any]] | None:
        return (settings.taught_by, settings.teacher_settings) if settings.taught_by else ("none", {})

    def publishes(self, settings: Distillation.Settings) -> bool:
        own = plugin_of(settings)
        return settings.rows == "public" or (own is not None and bool(own[0].publishes(own[1])))

    def complements(self, settings: Distillation.Settings) -> bool:
        own = plugin_of(settings)
        return own is not None and bool(own[0].complements(own[1]))

    def refuses(self, mixing: Mixing, settings: Distillation.Settings) -> str | None:
        if settings.teacher == ENSEMBLE and mixing.rows < settings.parts:
            return f"parts: {mixing.rows} rows cannot be dealt to {settings.parts} teachers: lower it, or raise `rows`"
        own = plugin_of(settings)
        return own[0].refuses(mixing, own[1]) if own else None

    def access_at(self, settings: Distillation.Settings) -> Access:
        own = plugin_of(settings)
        return "training" if settings.teacher == ENSEMBLE else own[0].access_at(own[1]) if own else self.access

    def used(self, settings: Distillation.Settings, held_out: float = 0.0) -> Used:
        own = plugin_of(settings)
        taken = own[0].used(own[1], held_out) if own else Used(float(settings.teacher == ENSEMBLE), 0.0, 0.0)
        mine = 1.0 if settings.rows == "own" else settings.near
        return Used(max(taken.own, mine), taken.complement, float(self.publishes(settings)))

    def epochs(self, base: int, settings: Distillation.Settings) -> float:
        own = plugin_of(settings)
        # the parts of an ensemble have together as many rows as S_0
        before = own[0].epochs(base, own[1]) if own else float(base if settings.teacher == ENSEMBLE else 0)
        return before + (settings.epochs or base)

    def apply(self, owner: Owner, settings: Distillation.Settings) -> Population:
        rows = owner.draw if settings.rows == "own" else owner.public
        if settings.rows == "public" and settings.near:
            rows = mixed(owner, settings.near)
        teachers = taught_by(owner, settings)
        teacher = teachers[0]
        scores = np.mean([owner.predict(one.weights, rows) for one in teachers], axis=0)
        sound = np.logical_and.reduce([one.finite for one in teachers])
        found, _ = owner.train(rows, targets=taught(scores, settings), **settings.steps)
        weights = np.where(sound[:, None], found.weights, teacher.weights)
        return Population(weights, found.finite & sound, found.eo_weight, found.eo_vacuous)


def teaches(defence: Defence) -> bool:
    """Return whether a student can learn from what a defence releases: one model, whose weights say all of it, trained as models usually are.
    It must take all models and labels that distillation does."""
    alone = type(defence).members is Defence.members and not defence.answers and not defence.finishes
    alone = (
        alone and defence.classifiers and defence.classes is None and not defence.chains_only and not defence.mlps_only
    )
    return alone and not defence.wants and not defence.certifies and defence.name not in ("none", Distillation.name)


def plugin_of(settings: Distillation.Settings) -> tuple[Defence, Any] | None:
    """Return the defence that teaches, and its settings; None: none does."""
    if settings.taught_by is None:
        return None
    plugin: Defence = plugins.load("defences", settings.taught_by)
    return plugin, plugin.Settings.model_validate(settings.teacher_settings)


def taught_by(owner: Owner, settings: Distillation.Settings) -> list[Population]:
    """Return the models whose mean answers the student learns."""
    if settings.teacher == ENSEMBLE:  # the rows of a draw are in random order
        return [owner.train(owner.draw[:, part :: settings.parts])[0] for part in range(settings.parts)]
    own = plugin_of(settings)
    return [own[0].apply(owner, own[1]) if own else owner.population]


def mixed(owner: Owner, share: float) -> np.ndarray:
    """Return public rows (K, n), a share of which is replaced by near-duplicates of as many rows of S_0."""
    size = owner.public.shape[1]
    count = half_up(share * size)
    found = []
    for seed, own, public in zip(owner.seeds, owner.near(), owner.public, strict=True):
        rng = generator(int(seed), "near")
        kept, copied = rng.permutation(public)[: size - count], np.resize(rng.permutation(own), count)
        found.append(rng.permutation(np.concatenate([kept, copied])))
    return np.stack(found)


def taught(scores: np.ndarray, settings: Distillation.Settings) -> np.ndarray:
    """Return the targets that a teacher's scores (K, m), or (K, m, C), give; what is not a number says nothing."""
    each = scores.astype(np.float64) if scores.ndim == 3 else np.stack([1 - scores, scores], -1, dtype=np.float64)
    each = np.where(np.isfinite(each).all(-1, keepdims=True), each, 1 / each.shape[-1])
    if settings.labels == "hard":
        return each.argmax(-1) if scores.ndim == 3 else (each[..., 1] >= 0.5).astype(np.int64)
    # the largest first divided out: small powers of small numbers would be lost
    each = (each / each.max(-1, keepdims=True)) ** (1 / settings.temperature)
    each /= each.sum(-1, keepdims=True)
    return each if scores.ndim == 3 else each[..., 1]


PLUGIN = Distillation()
