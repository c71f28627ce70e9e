"""What judging one task's models costs: CPU seconds on the reference core, and numbers in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..attacks._members import MemberAttack
from ..attacks.base import Attack
from ..config.resolved import members
from ..core import needs
from ..core.halves import FOLDS
from ..core.protocols import ROLES, UNSEEN
from . import cost
from .context import TaskContext
from .games import Game

USUAL_DEFENCES = 6
DEAREST_ATTACK = 4
"""Cost of the most expensive attack, relative to the mean."""
TRIAL = 5e-6
"""CPU seconds that rates, intervals and samples take for each trial, a model and a row, of one defence."""


class JudgeCost:
    """`plan`: the context of the task."""

    def __init__(self, plan: TaskContext) -> None:
        self.plan, self.task = plan, plan.task

    def _asked_points(self, cut: list[Game]) -> int:
        """Return how many points each model is asked: a query set, or candidates and public rows."""
        return 2 * self.task.query_rows if cut[0].question.roles == ROLES else 3 * self.task.rows

    def _usual_pair(self) -> float:
        """Return the CPU seconds of the most expensive judging job for one pair, for a typical model and typical
        defences. It decides which pairs share a job, whatever models, defences and attacks there are."""
        query = self._query_seconds(self.plan.usual, USUAL_DEFENCES)
        measure = self._measure_seconds(self.plan.usual, USUAL_DEFENCES)
        return max(query, measure, DEAREST_ATTACK * self._attack_seconds(USUAL_DEFENCES))

    def _query_seconds(self, shape: cost.Shape | None, defences: int) -> float:
        return 2 * self.plan.models * defences * (shape.score(2 * self.task.query_rows) if shape else 1e-5)

    def _measure_seconds(self, shape: cost.Shape | None, defences: int) -> float:
        """Return the CPU seconds of one pair: victims on all rows of the pool, and reading the shadows' answers."""
        victims = 2 * self.task.population.victims * defences
        shadows = 2 * self.plan.models * defences - victims
        scored = shape.score(self.plan.pool_rows) if shape else 1e-5
        return victims * (scored + 2e-4 + 2e-8 * self.plan.pool_rows) + shadows * 3e-8 * 2 * self.task.query_rows

    def _membership_seconds(self, shape: cost.Shape | None, defences: int) -> float:
        """Return the CPU seconds of one pair for membership: victims on their own rows, ranked among those of the pool. They do not count
        in which pairs share a job: half as long again, such a job is still cheaper than two."""
        scored = shape.score(self.task.rows) if shape else 1e-5
        return 2 * self.task.population.victims * defences * (scored + 6e-8 * (self.plan.pool_rows + self.task.rows))

    def _measure_numbers(self, shape: cost.Shape | None, arms: Mapping[str, Any]) -> int:
        """Return how many numbers are in memory at once: the scores of one split's victims of a world, or of as many
        as are scored at once, and the shadows' answers."""
        population, most = self.task.population, max(members(one.defence) for one in arms.values())
        weights = most * self.plan.models * (shape.parameters() if shape else 100)
        scored = max(
            most * self.plan.pool_rows,
            min(most * population.victims * self.plan.pool_rows // population.splits, needs.SCORES),
        )
        return 3 * scored + weights + 4 * population.splits * population.shadows * 2 * self.task.query_rows

    def _attack_seconds(self, defences: int) -> float:
        """Return the CPU seconds of an average attack on one pair."""
        calibrations = self.task.population.splits * (1 + defences)
        shadows = 2 * self.task.population.shadows
        return calibrations * (0.003 + 1e-8 * shadows * 2 * self.task.query_rows) + 2.5e-5 * self.plan.models * defences

    def _rows_seconds(self, attack: Attack, protocol: str, defences: int) -> float:
        """Return the CPU seconds of an attack on rows in one game: every pair of twins is judged by all others, and by those of all folds but
        one; each such calibration reads what its shadows say of every candidate."""
        models, splits = self.task.population.halved()
        # unseen rows come from the query pool, which is smaller
        rows = 2 * (self.task.query_rows if protocol == UNSEEN else self.task.rows)
        calibrations = models / 2 * min(FOLDS, models / 2) if attack.shadows else models / 2
        each = attack.each if isinstance(attack, MemberAttack) else 0.0
        known = len(self.plan.experiment.knowledge) if attack.shadows else 1
        return splits * defences * known * models * rows * (calibrations * each + TRIAL)

    def _row_numbers(self) -> int:
        """Return how many numbers are in memory at once: the scores of one split by all and without each fold, and what shadows say of
        neighbours."""
        return self.task.population.halved()[0] * 3 * self.task.rows * (2 * FOLDS + 30)
