"""What every plugin must do, as checks that strangers can run on theirs.

    from popleak.testing.contracts import (
        check_access, check_attack, check_dataset, check_defence, check_figure, check_model, check_question
    )

    def test_contract():
        check_attack(MyAttack())

Each check raises AssertionError naming what was broken. An attack for which the made-up games of `testing.data` mean
nothing (`ceiling`, whose evidence is a law) passes its own `generate`. Everything is seeded: a check that passes once
passes always.
"""

from __future__ import annotations

import numpy as np

from ..attacks.base import Attack, Judge, TransductiveJudge
from ..core import plugins
from ..core.settings import Settings
from ..defences.base import Defence
from .access import check_access
from .data import (
    SHADOWS,
    SIGMAS,
    VICTIMS,
    Example,
    Generate,
    alike,
    beta_scores,
    class_scores,
    frozen,
    made_up,
    permuted,
    shadow_access,
)
from .datasets import check_dataset, check_records
from .figures import check_figure, made_up_tables
from .many import MANY_CHECKS, GenerateMany, beta_many
from .models import check_closed_form, check_gradient, check_model, check_tabled
from .plugin import check_imports, check_names, heavy_imports
from .questions import check_question
from .samples import SAMPLES, check_samples_attack

__all__ = [
    "SHADOWS",
    "VICTIMS",
    "Example",
    "Generate",
    "GenerateMany",
    "beta_many",
    "beta_scores",
    "check_access",
    "check_attack",
    "check_closed_form",
    "check_dataset",
    "check_defence",
    "check_figure",
    "check_gradient",
    "check_imports",
    "check_model",
    "check_question",
    "check_records",
    "check_tabled",
    "class_scores",
    "frozen",
    "heavy_imports",
    "made_up",
    "made_up_tables",
    "permuted",
]


def check_defence(defence: Defence, *, settings: Settings | None = None) -> None:
    """Raise AssertionError if `defence` breaks the contract; settings: by default the plugin's."""
    from .defences import check_defence as check  # with the stages that train, which load pyarrow

    check(defence, settings=settings)


def calibrate(attack: Attack, example: Example, settings: Settings) -> Judge:
    return attack.calibrate(
        shadows_0=example.shadows_0,
        shadows_1=example.shadows_1,
        query=example.query,
        game=example.game,
        settings=settings,
    )


def scores(judge: Judge, victims: np.ndarray) -> np.ndarray:
    """Return the scores (V,) of victims (V, m), judged one after another; those of a transductive judge all at once."""
    victims = frozen(victims)
    if isinstance(judge, TransductiveJudge):
        found = judge.score_all(victims)
        assert found.shape == (len(victims),), f"score_all must return one score a victim, not {found.shape}"
        values = [*found.astype(float).tolist(), judge.score(victims[0])]
    else:
        values = [judge.score(victim) for victim in victims]
    for value in values:
        assert isinstance(value, float) and np.isfinite(value), f"score must return a finite float, not {value!r}"
        guess = judge.guess(value)
        assert not isinstance(guess, bool) and guess in (-1, 0, 1), f"guess must return -1, 0 or 1, not {guess!r}"
    return np.array(values[: len(victims)])


def accuracy(judge: Judge, example: Example) -> float:
    """Return the balanced accuracy on the victims, an abstention counting one half."""
    found = scores(judge, np.concatenate([example.victims_0, example.victims_1]))
    guesses = np.array([judge.guess(value) for value in found])
    right = np.where(guesses == -1, 0.5, guesses == np.repeat([0, 1], [len(example.victims_0), len(example.victims_1)]))
    return float(np.mean([right[: len(example.victims_0)].mean(), right[len(example.victims_0) :].mean()]))


# Checks: each takes (attack, generate, settings).


def check_attack_class(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Access and flags are known ones that fit together, and the attack says of a game whether it applies."""
    check_names(attack)
    known = plugins.names("access")
    assert attack.access in known, f"access must be one of {', '.join(known)}, not {attack.access!r}"
    others = [access for access in known if access != attack.access]
    assert attack.shadow_access in (None, *others), (
        f"shadow_access must be None (as of a victim) or one of {', '.join(others)}, not {attack.shadow_access!r}"
    )
    for flag in (
        "shadows",
        "undefended_only",
        "reference",
        "transductive",
        "ignores_shadow_order",
        "all_points",
        "many",
    ):
        assert isinstance(getattr(attack, flag), bool), f"{flag} must be True or False"
    assert attack.seconds >= 0, "seconds must be at least 0"
    assert attack.classes is None or attack.classes >= 2, "classes must be None or at least 2"
    for name, least in (("reaches", 0.5), ("reaches_many", 0.0), ("estimates_within", 0.0)):
        value = getattr(attack, name)
        assert value is None or least <= value <= 1, f"{name} must be None or from {least} to 1, not {value!r}"
    assert attack.reference or not attack.transductive, "a transductive attack plays by other rules: set reference"
    assert attack.reference or attack.ignores_shadow_order, (
        "ignores_shadow_order = False: an adversary gains nothing by a list's order: set reference"
    )
    makes = type(attack).calibrate_many is not Attack.calibrate_many
    assert makes or not attack.many, "many = True, but calibrate_many is missing"
    _check_told(attack, generate(attack, kind="easy"))


def _check_told(attack: Attack, example: Example) -> None:
    """The attack says of a game whether it applies and what is known of it, and of the query set what it reads."""
    assert attack.applies(example.game) is True, "applies must return True on the example's game"
    assert attack.refuses(example.game) is None, "refuses must return None on the example's game"
    if reads(attack) == "models":
        reason = attack.refuses(example.game._replace(sides=None))
        assert reason and "\n" not in reason, "refuses must say in one line why a model without layers will not do"
    fields = ("y", "a", "origin")
    assert isinstance(attack.reads, tuple) and set(attack.reads) <= set(fields), (
        f"reads must name some of {', '.join(fields)}, not {attack.reads!r}"
    )
    known = attack.known_accuracy(game=example.game, query=example.query)
    if known is not None:
        value, error = known
        assert 0.5 <= value <= 1 + 1e-9 and error >= 0, (
            f"known_accuracy must be (0.5 .. 1, standard error), not {known}"
        )


def check_alone(attack: Attack, generate: Generate, settings: Settings) -> None:
    """A victim's score is the same alone, among others and after others, bit for bit (unless transductive)."""
    example = generate(attack, kind="easy")
    victims = np.concatenate([example.victims_0[:5], example.victims_1[:5]])
    judge = calibrate(attack, example, settings)
    among = scores(judge, victims)
    backwards = scores(judge, victims[::-1])[::-1]
    assert np.array_equal(among, backwards), "a score depends on what was scored before it"
    together = isinstance(judge, TransductiveJudge)
    assert together == attack.transductive, (
        "a TransductiveJudge is what attacks marked transductive return, and no others"
    )
    if not together:
        alone = [scores(calibrate(attack, example, settings), victim[None])[0] for victim in victims[:3]]
        assert np.array_equal(among[:3], alone), "a victim's score alone differs from its score among others"


def check_reads(attack: Attack, generate: Generate, settings: Settings) -> None:
    """What `reads` does not name of the query set decides no score."""
    example = generate(attack, kind="easy")
    others = {name: 1 - getattr(example.query, name) for name in ("y", "a", "origin") if name not in attack.reads}
    turned = example._replace(query=example.query._replace(**others))
    victims = np.concatenate([example.victims_0[:5], example.victims_1[:5]])
    found = [scores(calibrate(attack, one, settings), victims) for one in (example, turned)]
    assert np.array_equal(found[0], found[1]), (
        f"scores depend on {', '.join(others)} of the query set: name them in reads"
    )


def check_company(attack: Attack, generate: Generate, settings: Settings) -> None:
    """A transductive attack names some victim's world otherwise in other company: else the flag is wrong."""
    if not attack.transductive:
        return
    example = generate(attack, kind="easy")
    judge, mine = calibrate(attack, example, settings), example.victims_1[:10]
    among, apart = (
        [judge.guess(score) for score in scores(judge, np.concatenate([mine, company]))[: len(mine)]]
        for company in (example.victims_0[:10], mine[:0])
    )
    assert among != apart, "transductive = True, but no verdict changes with the company: return a Judge"


def check_deterministic(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Two calibrations on the same shadows score alike, whatever numpy's global random state is."""
    example, state = generate(attack, kind="easy"), np.random.get_state()  # noqa: NPY002
    try:
        found = []
        for seed in (0, 1):
            np.random.seed(seed)  # noqa: NPY002
            found.append(scores(calibrate(attack, example, settings), example.victims_0[:10]))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert np.array_equal(found[0], found[1]), "calibrating twice on the same shadows gives different scores"


def check_order(attack: Attack, generate: Generate, settings: Settings) -> None:
    """The order of the shadows within a world does not matter (to 1e-9), unless the attack says that it does: then it must."""
    example, rng = generate(attack, kind="null"), np.random.default_rng(0)
    mixed = example._replace(
        shadows_0=frozen(rng.permutation(example.shadows_0)), shadows_1=frozen(rng.permutation(example.shadows_1))
    )
    before, after = (scores(calibrate(attack, e, settings), example.victims_1[:20]) for e in (example, mixed))
    same = np.allclose(before, after, rtol=0, atol=1e-9)
    assert same or not attack.ignores_shadow_order, "scores depend on the order of the shadows"
    assert not same or attack.ignores_shadow_order, "ignores_shadow_order = False, but no score changes with the order"


def check_rounding(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Scores or weights that differ by one part in 1e10, as from another processor, give the same verdicts, and scores that differ by no
    more than a thousandth of their spread."""
    kind = reads(attack)
    if kind not in ("answers", "models") or (kind == "answers" and 0.3 not in constants(attack.access)):
        return  # rows or labels have no last bits
    example, rng = generate(attack, kind="null"), np.random.default_rng(0)

    def rounded(models: np.ndarray) -> np.ndarray:
        moved = models * (1 + 1e-10 * rng.uniform(-1, 1, models.shape))
        return frozen(moved.clip(0, 1) if kind == "answers" else moved)

    other = example._replace(shadows_0=rounded(example.shadows_0), shadows_1=rounded(example.shadows_1))
    victims = example.victims_0[:20]
    before = scores(calibrate(attack, example, settings), victims)
    after = scores(calibrate(attack, other, settings), rounded(victims))
    assert np.allclose(before, after, rtol=0, atol=1e-3 * max(np.ptp(before), 1e-9)), (
        "scores change with the last bits of outputs: what has no order of its own must not be put in one by them"
    )


def check_units(attack: Attack, generate: Generate, settings: Settings) -> None:
    """With access to weights: a model whose hidden units are renamed scores the same (to 1e-9), victim or shadow.

    Except where `ignores_unit_order` says that it does not.
    """
    if reads(attack) != "models" or not attack.ignores_unit_order(settings):
        return
    example, rng = generate(attack, kind="easy"), np.random.default_rng(0)
    sides = example.game.sides
    assert sides is not None, "generate must name the sides of its chains in the game"

    def renamed(models: np.ndarray) -> np.ndarray:
        sets = plugins.load("access", attack.access).sets
        return frozen(np.stack([alike(np.split(model, sets), sides, rng) for model in models]))

    victims = example.victims_0[:10], renamed(example.victims_0[:10])
    other = example._replace(shadows_0=renamed(example.shadows_0), shadows_1=renamed(example.shadows_1))
    judge = calibrate(attack, example, settings)
    before, after = (scores(judge, models) for models in victims)
    again = scores(calibrate(attack, other, settings), victims[0])
    assert np.allclose(before, after, rtol=1e-9, atol=0), "scores depend on the order of a victim's hidden units"
    assert np.allclose(before, again, rtol=1e-9, atol=1e-9), "scores depend on the order of the shadows' hidden units"


def check_without_shadows(attack: Attack, generate: Generate, settings: Settings) -> None:
    """An attack that says it uses no shadows gets none, and scores as it would with them."""
    if attack.shadows:
        return
    example = generate(attack, kind="easy")
    none = frozen(example.shadows_0[:0])
    with_shadows, without = (
        scores(calibrate(attack, given, settings), example.victims_0[:10])
        for given in (example, example._replace(shadows_0=none, shadows_1=none))
    )
    assert np.array_equal(with_shadows, without), "shadows = False, but the scores depend on the shadows"


def check_few_shadows(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Sound with one, two and three shadows a world, and with unequal numbers."""
    example = generate(attack, kind="easy")
    for n_0, n_1 in ((1, 1), (2, 2), (3, 3), (1, 4), (5, 2)):
        few = example._replace(shadows_0=example.shadows_0[:n_0], shadows_1=example.shadows_1[:n_1])
        scores(calibrate(attack, few, settings), example.victims_0[:5])


def constants(access: str) -> tuple[float, ...]:
    """Return constant outputs to check with: those that the access lets through as they are."""
    seen = plugins.load("access", access)
    if seen.reads != "answers":
        return (0.0, 1.0)
    return tuple(value for value in (0.0, 1.0, 0.3) if seen.of(np.array([[value]])).tolist() == [[value]])


def reads(attack: Attack) -> str:
    """Return what of a run the attack's access is made of."""
    return str(plugins.load("access", attack.access).reads)


def check_extremes(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Scores are finite where shadows, victims or both are constant, and at outputs of exactly 0 and 1."""
    example = generate(attack, kind="easy")
    own, seen = constants(shadow_access(attack)), constants(attack.access)
    flat = {value: np.full_like(example.shadows_0, value) for value in own}
    hard = np.round(example.victims_0[:5])
    shadows = [(example.shadows_0, example.shadows_1)]
    shadows += [(flat[p], flat[q]) for p in flat for q in flat]
    shadows += [(np.round(world_0), np.round(world_1)) for world_0, world_1 in shadows[:1]]
    for world_0, world_1 in shadows:
        for n in (1, len(world_0)):
            judge = calibrate(attack, example._replace(shadows_0=world_0[:n], shadows_1=world_1[:n]), settings)
            for victims in (example.victims_1[:3], hard, *(np.full_like(hard[:1], value) for value in seen)):
                scores(judge, victims)


def check_easy(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Where the worlds are far apart victims are named better than by chance, higher meaning world 1, or as promised."""
    example = generate(attack, kind="easy")
    found = accuracy(calibrate(attack, example, settings), example)
    least = 0.5 + SIGMAS * np.sqrt(0.25 / (2 * VICTIMS)) if attack.reaches is None else attack.reaches
    wanted = "better than chance" if attack.reaches is None else "as `reaches` says"
    assert found >= least, (
        f"accuracy {found:.3f} on an easy pair of worlds, not the {least:.3f} expected ({wanted}): there a model is surer of the points of its own "
        "world; an attack that reads something else is given games in which that differs, by `check_attack(PLUGIN, generate=...)`: see docs/extend.md"
    )


def check_null(attack: Attack, generate: Generate, settings: Settings) -> None:
    """At chance where the worlds are one: for one calibration, and over eight with fresh shadows and victims."""
    found = []
    for seed in range(8):
        example = generate(attack, kind="null", seed=seed)
        found.append(accuracy(calibrate(attack, example, settings), example))
    for value, n in ((found[0], 2 * VICTIMS), (float(np.mean(found)), 2 * VICTIMS * len(found))):
        error = SIGMAS * np.sqrt(0.25 / n)
        assert abs(value - 0.5) <= error, f"accuracy {value:.3f} on two equal worlds, not 0.5 +- {error:.3f}"


ATTACK_CHECKS = (
    check_attack_class,
    check_alone,
    check_reads,
    check_company,
    check_deterministic,
    check_order,
    check_rounding,
    check_units,
    check_without_shadows,
    check_few_shadows,
    check_extremes,
    check_easy,
    check_null,
)


def check_attack(
    attack: Attack,
    *,
    generate: Generate = made_up,
    generate_many: GenerateMany = beta_many,
    settings: Settings | None = None,
) -> None:
    """Raise AssertionError if `attack` breaks the contract.

    generate, generate_many: by default what makes up models for the attack's access, and for an attack on any number of classes also models of
    three; settings: by default the plugin's.
    """
    if attack.rows:
        from .rows import check_member_attack  # here: what it needs takes a second to import

        check_member_attack(attack, settings=settings)
        return
    if attack.access in SAMPLES:
        check_samples_attack(attack, settings=settings)
        return
    check_imports(attack)
    several = [class_scores] if attack.classes is None and generate is made_up else []
    for made in (generate, *several):
        for check in ATTACK_CHECKS:
            check(attack, made, settings or attack.Settings())
    for check_many in MANY_CHECKS if attack.many else ():
        check_many(attack, generate_many, settings or attack.Settings())
