"""What the question of membership makes of stored answers: nothing is rounded, nobody sees the victim, and rows stay finite."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.attacks import lira
from popleak.attacks.base import Game, Query
from popleak.core import plugins
from popleak.measures import thresholds, trials
from popleak.questions import _trials
from popleak.questions.base import Graded, Shown, View
from popleak.stages import query
from popleak.steps.games import Pair
from popleak.steps.tables.base import of_table
from popleak.store import answers as stored
from popleak.store import parquet as store
from popleak.store import schema
from popleak.store.answers import Points
from popleak.store.populations import Models
from popleak.tables import parts
from popleak.testing import rows as about_rows

QUESTION = plugins.load("questions", "membership")
ATTACKS = [plugins.load("attacks", name) for name in about_rows.attacks()]
PAIR = Pair(pair="membership 0.3", protocol="membership", ratios=(0.3,), poison=0.0)
RUN = {"task": "t", "model": "mlp", "adversary": "lira", "access": "scores", "shadow_model": "mlp", "defence": "none",
       "knowledge": "informed", "repeats": 1, "poison": 0.0}  # fmt: skip


def made(attack=lira.PLUGIN, *, shift=2.0, models=16, n=60, seed=0):
    """Return a view of made-up models, and their scores P(y = 1 | x) (M, m), or (M, 2m)."""
    found = about_rows.made_up(attack, shift=shift, models=models, n=n, seed=seed)
    y, a, m = found.candidates.y, found.candidates.a, len(found.candidates.y)
    origin = (np.arange(m) >= n).astype(np.int8)
    points = Points(np.arange(m), y, a, origin, None, None, found.inside, found.candidates.near)
    game = Game(0.3, 0.3, rows=n // 2, mode="natural", model="mlp")
    view = View(attack, attack.Settings(), PAIR, Query(y, a, origin), game, points)
    signs = np.tile(np.where(y == 1, 1.0, -1.0), found.outputs.shape[1] // m)
    return view, 1 / (1 + np.exp(-signs * found.outputs))


def shown(scores, order=None, finite=None):
    order = np.arange(len(scores)) if order is None else order
    zeros = np.zeros(len(order), dtype=np.int64)
    finite = np.ones(len(order), dtype=bool) if finite is None else finite
    return Shown({"split": zeros, "world": zeros, "model_index": order, "finite": finite[order]}, scores[order])


def graded(view, scores, defence="none", knowledge="informed", repeats=1, split=0, victims=None):
    known = None if not view.attack.shadows else shown(scores)
    found = QUESTION.grade(view, QUESTION.fit(view, known), shown(scores if victims is None else victims))
    return Graded(defence, knowledge, repeats, split, found)


def concluded(*given, beside=None):
    """Return the columns of each defence and knowledge."""
    return {(of.defence, of.knowledge, of.repeats): found for of, found in QUESTION.conclude(given, beside or {})}


def table(found):
    """Return the rows of one conclusion as they are written."""
    return schema.table("trials", [{**RUN, **QUESTION.cell(PAIR), **found}])


# From stored answers to confidences.


def stored_and_read(scores, tmp_path, points):
    """Return what an adversary sees of models whose scores (M, q) went through the file of answers."""
    count = len(scores)
    keys = {name: np.zeros(count, dtype=np.int64) for name in ("split", "seed", "ratio")} | {
        "model_index": np.arange(count)
    }
    names = {"weights": np.zeros((count, 1)), "finite": np.isfinite(scores).reshape(count, -1).all(1)}
    names |= {name: np.zeros(count) for name in ("eo_weight", "eo_vacuous", "travel")}
    facts = store.provenance(stage="query", step="s", settings={}, code="c", inputs=[])
    path = tmp_path / "victims.parquet"
    with store.Writer(path, facts) as writer:
        writer.add(query._columns(Models.of(keys, names), 0, "p", "none", 1, "scores", scores.astype(np.float32)))
    kept = stored.read(path, pair="p", arm="none")
    access = plugins.load("access", "scores")
    return Shown(kept.keys, access.outputs(kept, np.arange(count), np.arange(points)))


CLOSE = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7]


@pytest.mark.parametrize("label", [0, 1])
def test_confidences_near_one_and_zero_survive_the_files(label, tmp_path):
    """Rounded to three digits, these would all be one number."""
    sure = np.array([1 - np.array(CLOSE), np.array(CLOSE)])
    view, _ = made(n=len(CLOSE) + 1, models=4)
    view = view._replace(query=view.query._replace(y=np.full(len(CLOSE), label, dtype=np.int8)))
    phi = _trials.confidences(view, stored_and_read(sure, tmp_path, len(CLOSE)))
    exact = np.log(1 - np.array(CLOSE)) - np.log(CLOSE)
    for got, sign in zip(phi, (1, -1) if label else (-1, 1), strict=True):
        assert (sign * np.diff(got) > 0.5).all(), "each is told from the next"
        # 1 - 1e-7 is stored to one part in 2^24
        np.testing.assert_allclose(sign * got, exact, atol=0.4)
        np.testing.assert_allclose(sign * got[:4], exact[:4], atol=0.04)


def test_confidences_of_three_classes_survive_the_files(tmp_path):
    sure = np.array([[[1 - p, p / 2, p / 2] for p in CLOSE]] * 2)
    view, _ = made(n=len(CLOSE) + 1, models=4)
    for label, sign in ((0, 1), (1, -1)):
        own = view._replace(query=view.query._replace(y=np.full(len(CLOSE), label, dtype=np.int8)))
        phi = _trials.confidences(own, stored_and_read(sure, tmp_path, len(CLOSE)))
        assert (sign * np.diff(phi[0]) > 0.5).all() and np.isfinite(phi).all()


def test_a_score_that_rounded_to_one_is_surer_than_any_below():
    """A sigmoid in float32 is 1, or away from 1 by 2^-23 and more; what was rounded to 1 was away by no more than half of that."""
    p = np.array([1 - 2.0**-22, 1 - 2.0**-23, 1.0])
    assert (p.astype(np.float32) == p).all()
    two, below, top = _trials.logit(p, 1 - p)
    assert below - two == pytest.approx(np.log(2), abs=1e-5) == top - below, "half as far"
    least = np.array([0.0, np.nextafter(np.float32(0), np.float32(1))])
    assert np.isfinite(_trials.logit(least, 1 - least)).all()


def test_a_hard_label_is_right_or_wrong():
    view, _ = made(n=4, models=4)
    attack = type("Labels", (lira.Lira,), {"access": "labels"})()
    view = view._replace(attack=attack, query=view.query._replace(y=np.array([0, 1, 1, 0], dtype=np.int8)))
    seen = shown(np.array([[0, 1, 0, 1], [1, 1, 1, 1]]))
    assert _trials.confidences(view, seen).tolist() == [[1, 1, 0, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_order_in_which_models_are_shown_means_nothing(attack):
    view, scores = made(attack, shift=1.0)
    order = np.random.default_rng(1).permutation(len(scores))
    known = shown(scores, order) if attack.shadows else None
    turned = QUESTION.grade(view, QUESTION.fit(view, known), shown(scores, order[::-1]))
    usual = graded(view, scores).found
    assert np.array_equal(turned.scored.scores, usual.scored.scores) and np.array_equal(turned.inside, usual.inside)


# Nobody sees the victim.


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_victims_answers_move_neither_its_threshold_nor_the_judges_of_it_and_its_twin(attack):
    view, scores = made(attack, shift=1.0, models=16)
    victim, twin = 4, 5
    other = scores.copy()
    other[victim] = 1 - scores[victim] ** 2
    before, after = (graded(view, each).found for each in (scores, other))
    fold = before.scored.fold[victim]
    limits = [thresholds._quantiles(one.scored.held, one.inside, 0.05)[0] for one in (before, after)]
    assert limits[0][fold] == limits[1][fold]
    assert (limits[0] != limits[1]).sum() >= 4, "of 7; scores of rmia are few numbers"
    same = [np.array_equal(*pair) for pair in zip(before.scored.scores, after.scored.scores, strict=True)]
    assert not same[victim] and same[twin]
    others = [k for k in range(len(same)) if k not in (victim, twin)]
    assert [same[k] for k in others] == [not attack.shadows] * len(others), "it is a shadow of all others"
    inside = before.scored.fold == fold
    assert np.isnan(after.scored.held[fold][inside]).all()
    assert np.array_equal(before.scored.held[fold], after.scored.held[fold], equal_nan=True)


def test_truth_about_the_victim_reaches_neither_its_score_nor_its_threshold():
    view, scores = made(shift=1.0)
    inside = view.points.inside.copy()
    inside[[4, 5]] = inside[[5, 4]]
    usual, turned = (
        graded(view._replace(points=view.points._replace(inside=truth)), scores).found
        for truth in (view.points.inside, inside)
    )
    assert np.array_equal(usual.scored.scores[[4, 5]], turned.scored.scores[[4, 5]])
    fold = usual.scored.fold[4]
    assert np.array_equal(usual.scored.held[fold], turned.scored.held[fold], equal_nan=True)


def test_who_does_not_know_the_defence_takes_thresholds_from_undefended_models():
    view, scores = made(shift=2.0)
    known = shown(scores)
    fitted = QUESTION.fit(view, known)
    quiet = 0.5 + (scores - 0.5) * 0.2
    found = QUESTION.grade(view, fitted, shown(quiet))
    usual = QUESTION.grade(view, fitted, known)
    assert np.array_equal(found.scored.held, usual.scored.held, equal_nan=True)
    assert not np.array_equal(found.scored.scores, usual.scored.scores)


def test_few_shadows_use_one_variance_for_all_rows():
    for models, used in ((2 * 16, "pooled"), (2 * 16 + 2, "row")):
        view, scores = made(models=models, n=20)
        own = [
            graded(view._replace(settings=lira.Lira.Settings(variance=one)), scores).found.scored
            for one in (used, "auto")
        ]
        assert np.array_equal(own[0].scores, own[1].scores), f"{models - 2} shadows: {used}"
        assert np.array_equal(own[0].held, own[1].held, equal_nan=True), "and so outside a fold"


# Models that say nothing.


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("kind", ["constant", "sure", "diverged"])
def test_models_that_say_nothing_are_at_chance_with_finite_rows(attack, kind, tmp_path):
    view, scores = made(attack, models=12)
    sets = scores.shape[1] // len(view.query.y)
    # all rows one label, with one confidence; a confidence that a row of either label shares; no number at all
    said = {"constant": 0.2, "sure": np.float32(1.0), "diverged": np.nan}[kind]
    if attack.name == "loss-threshold" and kind != "diverged":
        # the label alone would rank rows, the same for members and others: chance on average, and not in each victim
        view = view._replace(query=view.query._replace(y=np.ones_like(view.query.y)))
    seen = stored_and_read(np.full(scores.shape, said), tmp_path, scores.shape[1])
    assert seen.outputs.shape[1] == sets * len(view.query.y)
    known = seen if attack.shadows else None
    one = Graded("none", "informed", 1, 0, QUESTION.grade(view, QUESTION.fit(view, known), seen))
    ((_, found),) = QUESTION.conclude([one], {})
    assert np.isfinite(one.found.scored.scores).all()
    rows = table(found).to_pandas()
    assert (rows["auc"][rows["part"].isin(["all", "cell", "victim"])] == 0.5).all()
    whole = rows[rows["part"] == "all"].iloc[0]
    assert whole["auc_low"] < 0.5 < whole["auc_high"] and whole["against_chance"] == "cannot tell"
    assert whole["tpr_01"] == 0.0 == whole["fpr_01"] and whole["epsilon_low"] == 0.0
    assert whole["diverged"] == float(kind == "diverged")


# Rows of the tables.


def test_a_rate_that_so_few_rows_cannot_tell_is_null_beside_what_they_can():
    found = concluded(graded(*made(models=8, n=40)))["none", "informed", 1]
    whole = table(found).to_pandas().iloc[0]
    # three of four pairs are outside a fold: 6 models with 20 non-members each
    assert whole["resolution_01"] == whole["resolution_001"] == 1 / 120
    assert np.isnan(whole["tpr_001"]) and np.isnan(whole["fpr_001"]) and np.isnan(whole["ppv_001"])
    assert np.isnan(whole["pooled_tpr_001"]), "160 non-members in all"
    found = concluded(graded(*made(models=20, n=200)))["none", "informed", 1]
    whole = table(found).to_pandas().iloc[0]
    assert np.isfinite(whole["tpr_001"]) and whole["resolution_001"] <= 1 / 1000


def test_rows_go_to_three_tables_by_their_part(tmp_path):
    given = [graded(*made(n=240), split=split) for split in (0, 1)]
    whole = table(concluded(*given)["none", "informed", 1])
    path = tmp_path / "part.parquet"
    store.write(path, whole, store.provenance(stage="attack", step="s", settings={}, code="c", inputs=[]))
    found = {}
    for name in QUESTION.tables:
        settings = of_table(name)(table=name)
        found[name] = parts.of_kind(parts=[path], tables={}, settings=settings)
        assert found[name].column_names == [column.name for column in schema.TABLES[name]]
        for column in found[name].columns:
            if str(column.type) in ("string", "large_string", "dictionary<values=string, indices=int32, ordered=0>"):
                assert not {"nan", "NaN", None} & set(column.to_pylist())
    assert sum(one.num_rows for one in found.values()) == whole.num_rows
    rows = found["membership"].to_pandas()
    assert rows["part"].tolist() == ["all", "targets", *["cell"] * 4]
    assert list(zip(rows["label"], rows["group"], strict=True)) == [(-1, -1), (-1, -1), (0, 0), (0, 1), (1, 0), (1, 1)]
    assert rows["members"][0] == 2 * 16 * 120 == rows["members"][2:].sum() and rows["members"][1] < rows["members"][0]
    victims = found["membership_victims"].to_pandas()
    assert list(zip(victims["split"], victims["model_index"], strict=True)) == [
        (s, m) for s in (0, 1) for m in range(16)
    ]
    assert victims["auc"].mean() == pytest.approx(rows["auc"][0])
    curve = found["membership_roc"].to_pandas()
    assert (np.diff(curve["fpr"]) > 0).all() and (np.diff(curve["tpr"]) >= 0).all() and curve["tpr"].iloc[-1] == 1.0
    assert curve["fpr"].min() >= 1 / (2 * 16 * 120)


def test_targets_are_the_first_candidates():
    view, scores = made(shift=0.0, n=240)
    first = np.zeros(scores.shape[1], dtype=bool)
    first[:50] = True
    inside = np.pad(view.points.inside, ((0, 0), (0, scores.shape[1] - 240)))
    known = np.where(view.query.y == 1, 0.99, 0.01)
    rows = table(concluded(graded(view, np.where(first & inside, known, scores)))["none", "informed", 1]).to_pandas()
    whole, targets = rows["auc"][rows["part"] == "all"].item(), rows["auc"][rows["part"] == "targets"].item()
    assert targets > 0.9 > whole > 0.5
    assert targets > rows["auc_like_high"][rows["part"] == "targets"].item()


# Beside another defence.


def test_a_defence_is_compared_with_the_same_models_known_as_well():
    """A student with its teacher, at what is known of both; where the other was judged by the informed alone, with that."""
    view, base = made(shift=3.0)
    weak, strong = (made(shift=shift)[1] for shift in (1.0, 2.0))
    cast = {
        ("none", "informed"): base, ("teacher", "unaware"): weak, ("teacher", "informed"): strong,
        ("student", "unaware"): weak, ("student", "informed"): weak, ("lone", "unaware"): strong,
    }  # fmt: skip
    given = [graded(view, scores, *who) for who, scores in cast.items()]
    given.append(graded(view, weak, "student", "unaware", repeats=4))
    found = concluded(*given, beside={"student": "teacher", "teacher": "none"})
    areas = {who: trials.aucs(one.found.scored.scores, one.found.inside) for who, one in zip(cast, given, strict=False)}

    def told(defence, knowledge, repeats=1):
        columns = found[defence, knowledge, repeats]
        return columns["compared_with"][0], columns["auc_vs"][0], columns["tau"][0]

    assert told("none", "informed")[0] == "" and np.isnan(told("none", "informed")[1:]).all()
    other, apart, _ = told("student", "informed")
    assert other == "teacher" and apart == pytest.approx(
        (areas["student", "informed"] - areas["teacher", "informed"]).mean()
    )
    assert told("student", "unaware")[1:] == pytest.approx((0.0, 1.0)), "the teacher as the unaware know it"
    assert told("student", "unaware", 4)[1:] == pytest.approx((0.0, 1.0)), (
        "asked once, but not by others than the unaware"
    )
    for defence, knowledge in (("teacher", "unaware"), ("lone", "unaware")):
        other, apart, share = told(defence, knowledge)
        own, of = areas[defence, knowledge], areas["none", "informed"]
        assert other == "none" and apart == pytest.approx((own - of).mean())
        assert share == pytest.approx((own.mean() - 0.5) / (of.mean() - 0.5))


def test_where_the_other_is_not_judged_there_is_no_comparison():
    found = concluded(graded(*made(), defence="student"), beside={"student": "teacher"})["student", "informed", 1]
    assert found["compared_with"][0] == "" and np.isnan(found["auc_vs"][0]) and np.isnan(found["tau"][0])
