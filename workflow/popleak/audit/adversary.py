"""An attack in a notebook: calibrated on arrays of answers, without a config and without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from ..attacks.base import Attack, Game, Judge, Query, TransductiveJudge
from ..config import messages
from ..core import plugins
from ..core.errors import PopleakError

UNKNOWN_GAME = Game(ratio_0=0.0, ratio_1=1.0, rows=0, mode="natural", model="")
"""The default worlds: one group against the other."""


def list_attacks() -> dict[str, str]:
    """Return the names of all attacks that tell worlds apart by a model's answers or weights, each with its one-line summary.

    Plugins of other installed packages (entry point group `popleak.attacks`) are included.
    """
    every = {name: plugins.load("attacks", name) for name in plugins.names("attacks")}
    return {name: one.summary for name, one in every.items() if not (one.rows or one.of_samples)}


def attack(name: str, **settings: Any) -> Adversary:
    """Return the attack `name` with these settings, ready to be calibrated.

    name: one of `list_attacks()`; settings: the plugin's own (docs/plugins.md), defaults filled in.
    Raises PopleakError for an unknown name, an unknown setting or a value that is not allowed.
    """
    return Adversary(name, settings)


class Adversary:
    """An attack with its settings.

    name: the attack's name; plugin: the attack itself, whose docstring names its formula and source; settings: validated.
    """

    def __init__(self, name: str, settings: Mapping[str, Any] | None = None) -> None:
        self.name, self.plugin = name, plugins.load("attacks", name)
        if self.plugin.rows:
            raise PopleakError(
                f"attack {name!r} judges rows, not worlds: it runs in a config with worlds of protocol membership"
            )
        if self.plugin.of_samples:
            raise PopleakError(
                f"attack {name!r} judges rows of a generator, not answers: it runs in a config with worlds of protocol samples"
            )
        if settings is not None and not isinstance(settings, Mapping):
            raise PopleakError(f"attack {name!r}: settings must be a mapping of names to values, not {settings!r}")
        try:
            self.settings = self.plugin.Settings.model_validate(dict(settings or {}))
        except ValidationError as error:
            said = messages.line(error, self.plugin.Settings, "").removeprefix("config: ")
            raise PopleakError(f"attack {name!r}: {said}") from None

    def __repr__(self) -> str:
        return f"attack({self.name!r}): {self.plugin.summary}"

    def calibrate(
        self,
        shadows_0: np.ndarray,
        shadows_1: np.ndarray,
        *,
        y: np.ndarray | None = None,
        a: np.ndarray | None = None,
        origin: np.ndarray | None = None,
        game: Game = UNKNOWN_GAME,
    ) -> Judge:
        """Return a judge fitted to the answers of shadow models; it never sees a victim.

                shadows_0, shadows_1: (S0, m) and (S1, m) answers of shadow models trained in world 0 and in world 1 to the
        same m query points: scores P(y = 1 | x) in [0, 1], or hard labels 0 and 1. An attack that sees labels only
        (`plugin.access`) reads a score of at least 0.5 as label 1. For C > 2 classes: (S0, m, C) and (S1, m, C), P(y
        | x) or one-hot labels; the label is the class with the largest value. y, a, origin: (m,) label, group and
        world of origin of the query points; an attack needs those listed in `plugin.reads`. game: what is known of
        the worlds; only attacks whose docstring says so use it.

        The judge's `score(outputs)` is the evidence for world 1 in ONE victim's answers (m,) or (m, C), with
        threshold 0. `guess(score)` is the world, 0 or 1, or -1 if the attack abstains. Raises PopleakError if
        something that the attack needs is missing, and ValueError if the shapes of arrays do not match.
        """
        given = {"y": y, "a": a, "origin": origin}
        shadows = [np.asarray(one) for one in (shadows_0, shadows_1)]
        classes = self._check(shadows, given)
        access, of_shadows = accesses(self.plugin)
        width = shadows[0].shape[1] // (access.sets if access.reads == "answers" else 1)
        known = {name: _column(name, value, width, classes) for name, value in given.items()}
        zero, one = (_seen(part, of_shadows) for part in shadows)
        query = Query(known["y"], known["a"], known["origin"])
        judge = self.plugin.calibrate(shadows_0=zero, shadows_1=one, query=query, game=game, settings=self.settings)
        return Answering(judge, self.plugin, shadows[0].shape[1:])

    def _check(self, shadows: Sequence[np.ndarray], given: Mapping[str, np.ndarray | None]) -> int:
        """Return the number of classes in the answers of both worlds' shadows. Raises as `calibrate` if the attack
        cannot learn from them."""
        lacking = [name for name in self.plugin.reads if given[name] is None]
        if lacking:
            raise PopleakError(
                f"attack {self.name!r} needs {', '.join(lacking)} of the query points: pass them to calibrate()"
            )
        if any(one.ndim not in (2, 3) for one in shadows) or shadows[0].shape[1:] != shadows[1].shape[1:]:
            raise ValueError(
                f"shadows must be (S0, m) and (S1, m), or (S0, m, C) and (S1, m, C), not {shadows[0].shape} and {shadows[1].shape}"
            )
        classes = shadows[0].shape[2] if shadows[0].ndim == 3 else 2
        if self.plugin.classes not in (None, classes):
            raise PopleakError(
                f"attack {self.name!r} is for labels of {self.plugin.classes} classes, and these have {classes}: choose another attack"
            )
        if self.plugin.shadows and not all(map(len, shadows)):
            raise ValueError(f"attack {self.name!r} needs at least one shadow of each world")
        return classes


class Answering(TransductiveJudge):
    """A judge that checks its input, and reads scores as labels if the attack sees labels only."""

    def __init__(self, judge: Judge, attack: Attack, shape: tuple[int, ...]) -> None:
        self.judge, self.attack = judge, attack
        self.access, of_shadows = accesses(attack)
        alike = self.access is of_shadows or self.access.reads == of_shadows.reads == "answers"
        self.shape = shape if alike else None

    def score(self, outputs: np.ndarray) -> float:
        return float(self.judge.score(self._checked(outputs, 0)))

    def score_all(self, outputs: np.ndarray) -> np.ndarray:
        """Return the scores (V,) of victims (V, m) or (V, m, C), each judged alone unless the attack is marked `transductive`."""
        outputs = self._checked(outputs, 1)
        if isinstance(self.judge, TransductiveJudge):
            return np.asarray(self.judge.score_all(outputs), dtype=np.float64)
        return np.array([self.judge.score(row) for row in outputs], dtype=np.float64)

    def guess(self, score: float) -> int:
        return self.judge.guess(score)

    def _checked(self, outputs: np.ndarray, before: int) -> np.ndarray:
        """Return the answers as the attack sees them; before: dimensions before those of one model."""
        outputs = np.asarray(outputs)
        shape_of_one = outputs.shape[before:]
        if outputs.ndim <= before or (self.shape is not None and shape_of_one != self.shape):
            shape = ", ".join([*(["V"] * before), *map(str, self.shape or ("m",))])
            raise ValueError(f"outputs must be ({shape}{'' if ', ' in shape else ','}), not {outputs.shape}")
        seen: np.ndarray = _seen(outputs, self.access) if before else _seen(outputs[None], self.access)[0]
        return seen


def accesses(attack: Attack) -> tuple[Any, Any]:
    """Return the access that an attack has to victims, and that to its shadows."""
    return plugins.load("access", attack.access), plugins.load("access", attack.shadow_access or attack.access)


def _column(name: str, values: np.ndarray | None, width: int, classes: int = 2) -> np.ndarray:
    """Return a field of the query set (m,) int8; zeros if it is unknown and not needed."""
    if values is None:
        return np.zeros(width, dtype=np.int8)
    array = np.asarray(values)
    if array.shape != (width,):
        raise ValueError(f"{name} must be ({width},), one for each query point, not {array.shape}")
    allowed = (-1, 0, 1) if name == "origin" else range(classes) if name == "y" else (0, 1)
    if not np.isin(array, list(allowed)).all():
        raise ValueError(f"{name} must hold {' and '.join(map(str, allowed))} only")
    return array.astype(np.int8)


def _seen(outputs: np.ndarray, access: Any) -> np.ndarray:
    """Return answers (K, m) or (K, m, C) as `access` shows them."""
    if access.reads != "answers":
        return outputs
    outputs = outputs.astype(np.float64)
    if not ((outputs >= 0) & (outputs <= 1)).all():
        raise ValueError("answers must lie in [0, 1]: scores P(y = 1 | x), or labels 0 and 1")
    seen: np.ndarray = access.of(outputs)
    return seen
