"""The stage `measure`: victims on all rows of their query pool, each scored once, and nothing of the adversary's queries moved."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import tiny
from bench import Bench
from popleak.core import needs
from popleak.core.seeds import generator
from popleak.core.worlds import World
from popleak.measures.fairness import rates
from popleak.stages import measure, query, split, train
from popleak.steps.measure import MeasureStep
from popleak.steps.query import QueryStep
from popleak.store import arrays, records
from popleak.store import parquet as store
from popleak.store.answers import read as read_answers
from popleak.store.populations import draws_of, of_role
from popleak.store.populations import read as read_models

WORLDS = [{"protocol": "pure"}, {"protocol": "ratio", "ratios": [0.0, 0.5]}]
OVERFITTED = {"epochs": 150, "batch": 20, "learning_rate": 0.01, "validation": 0.1}
NOISE = {"name": "answer-noise", "id": "noisy", "settings": {"sd": 2.0}}
WHO = ["defence", "split", "world", "model_index"]


class Ran(Bench):
    """A plan run up to the answers, and its steps of the stage `measure`."""

    def __init__(self, folder, monkeypatch, capsys, **changes) -> None:
        super().__init__(folder, monkeypatch, capsys)
        changes = {"worlds": WORLDS, "defences": ["none", "finetune", NOISE], **changes}
        self.plan = tiny.build(**changes)
        self.run(self.plan)
        for step in self.plan.steps["query"].values():
            paths = self.inputs(step)
            models = {name: paths[name] for name in ("victim_models", "shadow_models")}
            outputs = {name: folder / path for name, path in step.outputs.items()}
            query.run(
                settings=QueryStep.parse(step.params), data=paths["data"][0], points=paths["points"][0], **models,
                **outputs, step=step.id, code="test", how=train.Engine(),
            )  # fmt: skip
        (self.step,) = self.plan.steps["measure"].values()

    def inputs(self, step) -> dict:
        return {name: [self.folder / path for path in paths] for name, paths in step.inputs.items()}

    def tables(self) -> dict:
        paths = self.inputs(self.step)
        outputs = {name: self.folder / path for name, path in self.step.outputs.items()}
        measure.run(
            settings=MeasureStep.parse(self.step.params), data=paths["data"][0], pools=paths["pools"][0],
            victim_models=paths["victim_models"], draw=paths["draw"], shadows=paths["shadows"], **outputs, step=self.step.id, code="test",
            how=train.Engine(),
        )  # fmt: skip
        return {name: store.read(path).to_pandas() for name, path in outputs.items()}

    def of_pool(self, number: int) -> np.ndarray:
        return split.read(self.inputs(self.step)["pools"][0])[int(number)]

    def pool(self, number: int) -> np.ndarray:
        return np.flatnonzero(self.of_pool(number) == 2)


@pytest.fixture
def ran(tmp_path, monkeypatch, capsys):
    return Ran(tmp_path / "run", monkeypatch, capsys)


def test_victims_are_measured_on_every_row_of_their_pool(ran):
    """Against a literal computation from the models' files; a user of a noisy model gets one answer a question."""
    models = ran.tables()["models"]
    models = models[models["role"] == "victim"]
    paths, settings = ran.inputs(ran.step), ran.step.settings
    data = records.read(paths["data"][0])
    asking = query.Asking(settings, data, train.Engine())
    files = {arm.arm: (arm, mine) for arm, mine in query.with_files(settings.victims, paths["victim_models"])}
    seen = 0
    for game, pair in zip(settings.worlds, settings.pairs, strict=True):
        of_pair = models[models["protocol"] == pair.protocol]
        for defence in settings.defences:
            arm, mine = files[settings.arms[defence]]
            for b in (0, 1):
                world, from_world = game.direction(b, base=arm.base)
                there = read_models(mine, world=world, from_world=from_world)
                for k, number in enumerate(there.keys["split"]):
                    rows = ran.pool(number)
                    scores = asking.scores(there.weights[k : k + 1], rows)
                    if defence == "noisy":
                        order = measure.shuffled(rows, settings, int(number))
                        own = asking.scores(there.weights[k : k + 1], order)[0]
                        seed, state = there.keys["seed"][k], there.state[k]
                        given = asking.given(arm.answers, seed, own, order, data.a[order], state, 1)
                        scores = np.empty_like(scores)
                        scores[0, np.searchsorted(rows, order)] = given[0]
                    y, a, share = data.y[rows], data.a[rows], data.facts["group_share"]
                    found = rates(scores, y, a, share=share)
                    who = {"defence": defence, "split": number, "world": b, "model_index": there.keys["model_index"][k]}
                    (row,) = of_pair[(of_pair[list(who)] == list(who.values())).all(axis=1)].to_dict("records")
                    for name in ("accuracy", "tpr_g0", "fpr_g1", "delta_eo", "delta_eo_sum", "dp_difference"):
                        assert row[name] == pytest.approx(getattr(found, name)[0], abs=1e-12), (name, who)
                    weights = np.where(a == 1, share / a.mean(), (1 - share) / (1 - a.mean()))
                    held = np.flatnonzero(ran.of_pool(number) != 0)
                    for label, name in ((0, "fpr"), (1, "tpr")):
                        p = [(scores[0, (y == label) & (a == group)] >= 0.5) for group in (0, 1)]
                        rest = [((data.y[held] == label) & (data.a[held] == group)).sum() for group in (0, 1)]
                        noise = sum(
                            one.var() / (len(one) - 1) * (1 - len(one) / n) for one, n in zip(p, rest, strict=True)
                        )
                        squared = (p[1].mean() - p[0].mean()) ** 2 - noise
                        assert row[f"{name}_difference_squared"] == pytest.approx(squared, abs=1e-12)
                    area = roc_auc_score(y, scores[0], sample_weight=weights)
                    assert row["auc"] == pytest.approx(area, abs=1e-9)
                    assert row["status"] == ("ok" if len(set(scores[0] >= 0.5)) == 2 else "constant")
                    seen += 1
    assert seen == len(models) == 2 * 3 * 2 * 4


def test_each_victim_is_scored_once_however_many_games_it_plays(ran, monkeypatch):
    asked = []
    scores = query.Asking.scores
    monkeypatch.setattr(
        query.Asking, "scores", lambda self, weights, *more: asked.append(len(weights)) or scores(self, weights, *more)
    )
    models = ran.tables()["models"]
    # 0.0 plays in both games: undefended it is one population, and two that are defended towards one world or the other
    assert sum(asked) == 4 * (3 + 4 + 4) < (models["role"] == "victim").sum()
    same = models[(models["role"] == "victim") & (models["world"] == 0) & (models["defence"] == "none")]
    pure, ratio = (same[same["protocol"] == name].set_index(WHO) for name in ("pure", "ratio"))
    for name in ("accuracy", "auc", "delta_eo", "delta_eo_crossed"):
        assert (pure[name] == ratio[name]).all()
    assert (pure["gap"] != ratio["gap"]).any(), "the gap is one of two worlds"


def test_room_for_scores_decides_nothing(ran, monkeypatch):
    whole = ran.tables()
    monkeypatch.setattr(needs, "SCORES", 1)
    for name, table in ran.tables().items():
        assert table.equals(whole[name]), name


def test_membership_compares_trained_rows_with_the_pool_in_the_shares_of_s_0(ran):
    """Against a literal computation: rows that validation held out are no members, and a noisy model answers each row once."""
    models = ran.tables()["models"]
    paths, settings = ran.inputs(ran.step), ran.step.settings
    data = records.read(paths["data"][0])
    asking = query.Asking(settings, data, train.Engine())
    files = {arm.arm: (arm, mine) for arm, mine in query.with_files(settings.victims, paths["victim_models"])}
    (game,), (pair,) = ([one[i] for i in (0,)] for one in (settings.worlds, settings.pairs))
    assert settings.validation > 0
    for defence in settings.defences:
        arm, mine = files[settings.arms[defence]]
        world, from_world = game.direction(1, base=arm.base)
        there = read_models(mine, world=world, from_world=from_world)
        keys, drawn = of_role(draws_of(paths["draw"], world, world), "victim", (0, 1))
        for k, seed in enumerate(there.keys["seed"]):
            rows = drawn[list(keys["seed"]).index(seed)]
            held = generator(int(seed), "validation").permutation(len(rows))[: round(settings.validation * len(rows))]
            trained = np.delete(rows, held)
            pool = measure.shuffled(ran.pool(there.keys["split"][k]), settings, int(there.keys["split"][k]))
            said = {}
            for where, purpose in ((trained, "answers on S_0"), (pool, "answers")):
                scores = asking.scores(there.weights[k : k + 1], where)[0]
                if defence == "noisy":
                    order = hold_order(rows, seed, settings.validation) if where is trained else where
                    scores = asking.scores(there.weights[k : k + 1], order)[0]
                    scores = asking.given(arm.answers, seed, scores, order, data.a[order], there.state[k], 1, purpose)[
                        0
                    ]
                    where = order
                said[purpose] = (where, np.where(data.y[where] == 1, scores, 1 - scores))
            (inside, mine_p), (outside, pool_p) = said.values()
            cell = {name: 2 * data.y[at] + data.a[at] for name, at in (("in", inside), ("out", outside))}
            share = np.bincount(cell["in"], minlength=4) / len(inside)
            weights = (share / np.maximum(np.bincount(cell["out"], minlength=4), 1))[cell["out"]]
            kept = weights > 0
            truth = np.append(np.ones(len(mine_p)), np.zeros(kept.sum()))
            area = roc_auc_score(
                truth,
                np.append(mine_p, pool_p[kept]),
                sample_weight=np.append(np.full(len(mine_p), 1 / len(mine_p)), weights[kept]),
            )
            who = {"protocol": pair.protocol, "defence": defence, "world": 1, "split": there.keys["split"][k],
                   "model_index": there.keys["model_index"][k], "role": "victim"}  # fmt: skip
            (row,) = models[(models[list(who)] == list(who.values())).all(axis=1)].to_dict("records")
            assert row["membership_auc"] == pytest.approx(area, abs=1e-9)
            assert row["accuracy_y0_g1"] == pytest.approx(1 - row["fpr_g1"]) and row["accuracy_y1_g0"] == row["tpr_g0"]


def hold_order(rows: np.ndarray, seed: int, share: float) -> np.ndarray:
    """The training rows in the order that the engine gives them."""
    order = generator(int(seed), "validation").permutation(len(rows))
    return rows[order[round(share * len(rows)) :]]


def test_membership_of_draws_that_were_not_trained_on_is_chance(tmp_path, monkeypatch, capsys):
    """Overfitted victims of world 0 against the rows of world 1's victims, of the other group: the null, whatever the groups' shares."""
    ran = Ran(tmp_path / "run", monkeypatch, capsys, defences=["none"], training=OVERFITTED)
    of = measure.Members.of

    def others(draw, world, validation, size):
        mine, theirs = (of(draw, name, validation, size) for name in (world, "1.0#0" if world == "0.0#0" else "0.0#0"))
        return theirs._replace(seed=mine.seed)

    trained = ran.tables()["models"]
    monkeypatch.setattr(measure.Members, "of", others)
    models = ran.tables()["models"]
    found = models[(models["role"] == "victim") & (models["defence"] == "none") & (models["protocol"] == "pure")]
    before = trained.loc[found.index]
    assert found["membership_auc"].mean() == pytest.approx(0.5, abs=0.05)
    assert before["membership_auc"].mean() > 0.6
    assert before["membership_advantage"].mean() > 0.15 > abs(found["membership_advantage"].mean())


def test_shadows_have_a_status_and_no_measures(ran):
    models = ran.tables()["models"]
    shadows, victims = (models[models["role"] == role] for role in ("shadow", "victim"))
    assert len(shadows) == 2 * 3 * 2 * 2 * 3
    binary = [name for name in measure.MEASURED if name != "small_cells"]
    assert shadows[list(measure.MEASURED)].isna().all(axis=None)
    assert victims[binary].notna().all(axis=None) and victims["small_cells"].isna().all()
    kept = ["status", "seed", "ratio", "eo_weight", "eo_vacuous"]
    assert models[kept].notna().all(axis=None)
    asked = next(iter(ran.plan.steps["query"].values()))  # of undefended models
    answers = ran.folder / asked.outputs["shadows"]
    there = read_answers(answers, pair="pure 0.0 1.0", arm="none")
    mine = shadows[(shadows["protocol"] == "pure") & (shadows["defence"] == "none")].set_index(
        ["split", "world", "model_index"]
    )
    for k, scores in enumerate(there.scores):
        key = tuple(there.keys[name][k] for name in ("split", "world", "model_index"))
        assert mine.loc[key, "status"] == ("ok" if len(set(scores >= 0.5)) == 2 else "constant")


def test_the_adversary_keeps_its_queries_and_no_pool_meets_a_training_row(ran):
    """Query sets are what they were: `query_rows` of each group, drawn from the pool; `measure` does not read them."""
    assert "points" not in ran.step.inputs
    asked = next(iter(ran.plan.steps["query"].values()))  # of undefended models
    points = query.read_points(ran.inputs(asked)["points"][0], "pure 0.0 1.0")
    data = records.read(ran.inputs(ran.step)["data"][0])
    for number, one in points.items():
        pool = ran.pool(number)
        assert len(one.rows) == 2 * 30 < len(pool) and np.isin(one.rows, pool).all()
        rng = generator(3, ran.step.settings.key, "query", number)
        wanted = [rng.choice(pool[data.a[pool] == group], 30, replace=False) for group in (0, 1)]
        assert np.array_equal(one.rows, np.concatenate(wanted))
        for step in ran.plan.steps["draw"].values():
            for item in getattr(step.settings, "draws", ()):
                drawn = draws_of([ran.folder / step.outputs["table"]], item.world, item.from_world)
                for role in ("victim", "shadow"):
                    keys, rows = of_role(drawn, role, (0, 1))
                    assert not np.isin(rows[keys["split"] == number], pool).any()
    assert arrays.matrix(store.read(ran.folder / asked.outputs["victims"])["scores"]).shape[1] == 60


def test_closed_forms_are_measured_too(tmp_path, monkeypatch, capsys):
    ran = Ran(tmp_path / "prior", monkeypatch, capsys, models=["prior"], defences=["none", NOISE], attacks=["loss"])
    models = ran.tables()["models"]
    mine = models[(models["role"] == "victim") & (models["defence"] == "none")]
    assert set(mine["status"]) == {"constant"}, "one label for all"
    for name in ("delta_eo", "delta_eo_floor", "delta_eo_crossed"):
        assert (mine[name] == 0).all()
    assert mine["auc"].to_numpy() == pytest.approx(0.5)
    noisy = models[(models["role"] == "victim") & (models["defence"] == "noisy")]
    assert (noisy["delta_eo"] > 0).all() and set(noisy["status"]) == {"ok"}


def test_a_diverged_victim_has_a_status_and_nothing_else():
    data = tiny.records(400)
    data = data._replace(facts={**data.facts, "group_share": 0.5})
    pool = measure.Pool.of(np.arange(400), data, np.ones(400, bool))
    scores = np.random.default_rng(0).random((3, 400), dtype=np.float32)
    scores[0, 7] = np.nan
    said = measure.Said.of({}, scores, np.array([True, False, True]), pool)
    worlds = measure.Worlds(
        (World(0.0), World(1.0)), "natural", {"group_label_rates": [0.5, 0.3], "group_share": 0.5, "label_rate": 0.4}
    )
    found = measure.fair(said, pool, worlds, np.random.default_rng(0))
    assert found["status"].tolist() == ["diverged", "diverged", "ok"]
    assert np.isnan(found["small_cells"]).all(), "of more than two classes"
    for name in set(measure.MEASURED) - {"small_cells"}:
        assert np.isnan(found[name][0]) and np.isfinite(found[name][2]), name
    assert pool.counts.sum() == 400 and np.abs(pool.halved[0] - pool.halved[1]).max() <= 1
    assert pool.weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("rates_near", [0.05, 0.5])
def test_the_two_sides_of_the_claim_on_leakage_have_the_same_bias(rates_near):
    """A sum of magnitudes on one half was too large by the noise of its own rates, more so near 1/2: a true fall then looked like a rise."""
    rng, rows = np.random.default_rng(1), 60
    true = np.array([[rates_near, rates_near + 0.01], [rates_near, rates_near + 0.02]])  # [label, group]
    drawn = rng.binomial(rows, true, (20_000, 2, 2, 2)) / rows  # [model, half, label, group]
    terms = SimpleNamespace(pi=np.array([0.5, 0.5]), w_y=np.array([1.0, 1.0]))
    found = measure._halves(drawn, terms)
    delta, advantage = found["weighted_delta"], found["adv_balanced_measured"]
    assert delta.mean() == pytest.approx(
        advantage.mean(), abs=4 * np.hypot(delta.std(), advantage.std()) / np.sqrt(len(drawn))
    )
    assert -0.001 < delta.mean() < 0.015, "noise adds nothing to the true 0.015"
