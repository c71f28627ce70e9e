"""Checks of attacks on rows, and of questions about rows: models of made-up confidences that share candidates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..attacks._members import Candidates, MemberAttack, scorer
from ..attacks.base import Game, Query
from ..core import plugins
from ..core.halves import halves
from ..core.seeds import generator
from ..core.settings import Settings
from ..measures import trials
from ..questions.base import Graded, Question, Shown, View
from ..steps.games import Pair
from ..store.answers import Points
from .data import SIGMAS, frozen
from .plugin import check_imports, check_names

MODELS, CANDIDATES, NEAR = 16, 200, 4
SHIFT = 4.0
"""By how much more confident the made-up models are of their members, in logits, beside a spread of 1; of the public rows near them half."""
EASY = 0.95
"""Least AUC on models that remember what they hold; where the candidate is not asked, better than chance."""


class Rows(NamedTuple):
    """Made-up models: what they answer (M, w), what they hold (M, n), and the points."""

    outputs: np.ndarray
    inside: np.ndarray
    candidates: Candidates


def made_up(attack: MemberAttack, *, shift: float, models: int = MODELS, n: int = CANDIDATES, seed: int = 0) -> Rows:
    """Return models that are more confident by `shift` of the candidates they hold; with 0 they know nothing of them."""
    rng = generator("contract", "rows", n, models, seed, repr(shift))
    m = n + n * NEAR
    y, a = (rng.integers(0, 2, m).astype(np.int8) for _ in range(2))
    inside = halves(
        np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), models, lambda pair: generator("half", seed, pair)
    )
    near = (n + rng.permutation(n * NEAR)).reshape(n, NEAR).astype(np.int32)
    sets = 2 if attack.access == "pair" else 1
    parts = []
    for _ in range(sets):
        phi = 1.5 * rng.normal(size=m) + rng.normal(size=(models, m))
        phi[:, :n] += shift * inside
        for i in range(n):
            sign = np.where(y[near[i]] == y[i], 1.0, -1.0)
            phi[:, near[i]] += shift / 2 * sign * inside[:, [i]]
        parts.append(phi if attack.access != "labels" else (phi > 0).astype(float))
    candidates = Candidates(frozen(y), frozen(a), n, frozen(near))
    return Rows(frozen(np.concatenate(parts, axis=1)), frozen(inside), candidates)


def judged(attack: MemberAttack, made: Rows, settings: Settings, *, without: int = 2) -> np.ndarray:
    """Return the scores (n,) of model 0 by all but itself and its twin."""
    judge = attack.calibrate_members(
        shadows=made.outputs[without:], inside=made.inside[without:], candidates=made.candidates,
        settings=attack.settle(settings, (len(made.outputs) - without) // 2),
    )  # fmt: skip
    found: np.ndarray = np.asarray(judge.score(made.outputs[0]))
    assert found.shape == (made.candidates.n,), f"score must return one number a candidate, not {found.shape}"
    assert np.isfinite(found).all(), "scores must be finite"
    return found


def auc(attack: MemberAttack, made: Rows, settings: Settings) -> trials.Estimate:
    """Return the mean AUC of all models, each judged by the others but its twin."""
    fit = scorer(attack, outputs=made.outputs, inside=made.inside, candidates=made.candidates, settings=settings)
    scores = trials.score(fit, len(made.outputs), shared=attack.shadows).scores
    return trials.mean_auc(scores, made.inside, shared=attack.shadows)


def check_class(attack: MemberAttack, settings: Settings) -> None:
    """Access and flags are known ones, and what the points lack is said in one line."""
    check_names(attack)
    assert attack.access in ("scores", "labels", "pair"), (
        "access must be scores, labels or pair: what a model says of points"
    )
    assert attack.shadow_access is None, "shadow_access must be None: shadows are judged as victims are"
    for flag in ("rows", "direct", "needs_public", "shadows"):
        assert isinstance(getattr(attack, flag), bool), f"{flag} must be True or False"
    made = made_up(attack, shift=SHIFT)
    assert attack.lacks(made.candidates) is None, "lacks must return None where there are public rows"
    n = made.candidates.n
    bare = Candidates(made.candidates.y[:n], made.candidates.a[:n], n)
    reason = attack.lacks(bare)
    assert (reason is not None) >= (attack.needs_public or not attack.direct), (
        "lacks must say that there are no public rows"
    )
    assert reason is None or "\n" not in reason, "lacks must be one line"


def check_easy_and_unseen(attack: MemberAttack, settings: Settings) -> None:
    """Models that remember what they hold give it away, and those that know nothing of the candidates are at chance."""
    easy = auc(attack, made_up(attack, shift=SHIFT), settings)
    least = EASY if attack.direct and attack.shadows else 0.5
    found = easy.value if least > 0.5 else easy.low
    assert found > least, f"AUC {easy.value:.3f} of models that remember their rows: above {least} expected"
    values = [auc(attack, made_up(attack, shift=0.0, n=60, seed=seed), settings).value for seed in range(12)]
    error = SIGMAS * np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - 0.5) <= error, (
        f"AUC {np.mean(values):.3f} of rows that no model saw: 0.5 +- {error:.3f} expected"
    )


def check_order(attack: MemberAttack, settings: Settings) -> None:
    """Neither the order of shadows nor that of candidates matters, and no other victim does."""
    made = made_up(attack, shift=1.0, n=40)
    first = judged(attack, made, settings)
    order = np.r_[0, 1, np.arange(2, len(made.outputs))[::-1]]
    again = judged(attack, made._replace(outputs=made.outputs[order], inside=made.inside[order]), settings)
    assert np.array_equal(first, again), "scores depend on the order of shadows"
    n, m = made.candidates.n, len(made.candidates.y)
    at = np.r_[np.arange(n)[::-1], np.arange(n, m)]
    columns = np.concatenate([at, m + at]) if attack.access == "pair" else at
    near = None if made.candidates.near is None else made.candidates.near[::-1]
    turned = Rows(
        made.outputs[:, columns], made.inside[:, ::-1],
        made.candidates._replace(y=made.candidates.y[at], a=made.candidates.a[at], near=near),
    )  # fmt: skip
    back = judged(attack, turned, settings)[::-1]
    assert np.allclose(first, back, rtol=1e-6, atol=1e-8), "scores depend on the order of candidates"


def check_sound(attack: MemberAttack, settings: Settings) -> None:
    """Scores are finite with two shadows, with constant outputs, and with a victim that diverged."""
    made = made_up(attack, shift=1.0, n=30, models=4)
    judged(attack, made, settings)
    for value in (0.0, 30.0):
        judged(attack, made._replace(outputs=np.full_like(made.outputs, value)), settings)
    broken = made.outputs.copy()
    broken[0] = 0.0
    judged(attack, made._replace(outputs=broken), settings)


CHECKS = (check_class, check_sound, check_order, check_easy_and_unseen)


def check_member_attack(attack: Any, *, settings: Settings | None = None) -> None:
    """Raise AssertionError if an attack on rows breaks the contract; settings: by default the plugin's."""
    assert isinstance(attack, MemberAttack), "rows = True: subclass MemberAttack"
    check_imports(attack)
    for check in CHECKS:
        check(attack, settings or attack.Settings())


def concluded(question: Question, protocol: str, ratios: tuple[float, ...], shift: float) -> dict[str, np.ndarray]:
    """Return the columns that a question about rows gives of made-up models under the attack `lira`, of which no defence is known."""
    attack = plugins.load("attacks", "lira")
    made = made_up(attack, shift=shift)
    n, m, models = made.candidates.n, len(made.candidates.y), len(made.outputs)
    # as scores P(y = 1 | x), of which the question makes confidences
    phi = np.where(made.candidates.y == 1, 1.0, -1.0) * made.outputs
    origin = (np.arange(m) >= n).astype(np.int8)
    points = Points(
        np.arange(m), made.candidates.y, made.candidates.a, origin, None, None, made.inside, made.candidates.near
    )
    query = Query(made.candidates.y, made.candidates.a, origin)
    game = Game(*question.known(ratios), rows=n // 2, mode="natural", model="mlp", groups=question.groups)
    pair = Pair(pair=f"{protocol} made up", protocol=protocol, ratios=ratios, poison=0.0)
    view = View(attack, attack.Settings(), pair, query, game, points)
    keys = {"split": np.zeros(models, dtype=np.int64), "world": np.zeros(models, dtype=np.int64),
            "model_index": np.arange(models), "finite": np.ones(models, dtype=bool)}  # fmt: skip
    shown = Shown(keys, frozen(1 / (1 + np.exp(-phi))))
    graded = Graded("none", "informed", 1, 0, question.grade(view, question.fit(view, shown), shown))
    ((_, found),) = question.conclude([graded], {})
    return found


def attacks() -> list[str]:
    """Return the names of the attacks on rows."""
    return [name for name in plugins.names("attacks") if plugins.load("attacks", name).rows]
