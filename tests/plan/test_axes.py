"""A small experiment with every axis, from config to tables: what each stage wrote, read back and counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

import tiny
import whole
from popleak.attacks.base import Game, Query
from popleak.core import plugins
from popleak.plan import build as plan
from popleak.stages import query
from popleak.store import answers as stored
from popleak.store import arrays, records
from popleak.store import parquet as store
from popleak.store.populations import draws_of, matching, of_role
from popleak.store.populations import read as read_models
from popleak.threat import seen
from popleak.threat.play import query_of
from runs import copy

pytestmark = pytest.mark.dag
SPLITS, VICTIMS, SHADOWS, ROWS, SHARE = 2, 4, 4, 200, 0.05
CONFIG = {
    "experiment": "axes", "seed": 11,
    "tasks": [{"dataset": "synthetic", "rows": ROWS, "query_rows": 100, "options": {"rows": 4000}}],
    "worlds": [{"protocol": "pure"}, {"protocol": "k-ary", "ratios": [0, 0.3, 1]}],
    "models": [{"name": "mlp", "settings": {"widths": [8]}}], "shadow_models": ["logistic"],
    "defences": ["none", {"name": "fft-rehearsal", "settings": {"eo_weight": 2.0}}, {"name": "answer-noise", "id": "noisy", "settings": {"sd": 2.0}}],
    "attacks": ["loss", "kl", "snap", "weights", "pair", "data", "kl-transductive"],
    "knowledge": ["unaware", "aware", "informed"], "repeats": [1, 5], "poison": {"shares": [0, SHARE], "group": 1, "label": 0},
    "population": {"splits": SPLITS, "victims": VICTIMS, "shadows": SHADOWS}, "training": {"epochs": 2},
    "figures": ["leakage"],
}  # fmt: skip


class Ran(whole.Ran):
    """The finished run, and how to find its steps."""

    def step(self, stage: str, **wanted) -> plan.Step:
        """Return the one step of a stage whose settings have these values."""
        found = [
            step for step in self.plan.steps[stage].values()
            if all(getattr(step.settings, key, None) == value for key, value in wanted.items())
        ]  # fmt: skip
        assert len(found) == 1, [step.id for step in found]
        return found[0]

    def paths(self, step: plan.Step, name: str) -> list:
        return [self.folder / path for path in step.inputs[name]]

    def files(self, step: plan.Step) -> seen.Files:
        data = self.paths(step, "data")[0] if "data" in step.inputs else None
        several = {
            name: self.paths(step, name)
            for name in ("victims", "shadows", "victim_models", "shadow_models", "draw") if name in step.inputs
        }  # fmt: skip
        return seen.Files(points=self.paths(step, "points")[0], **several, data=data)

    def source(self, attack: str, poison: float = 0.0, **wanted) -> seen.Source:
        step = self.step("attack", question="pair", attack=attack, shadow_model="mlp", **wanted)
        number = next(i for i, pair in enumerate(step.settings.pairs) if pair.poison == poison)
        return seen.Source(type(step.settings).parse(step.params), number, self.files(step))

    def see(
        self, source: seen.Source, role: str, access: str, arm: str, repeats: int, votes: bool = False
    ) -> stored.Answers:
        return plugins.load("access", access).read(source, role, arm, repeats, votes)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return Ran(CONFIG, tmp_path_factory.mktemp("axes"))


def test_snakemake_runs_the_same_commands(ran, tmp_path):
    folder = copy(tmp_path)
    (folder / "axes.yaml").write_text(yaml.safe_dump(CONFIG))
    whole.check_rules(ran.plan, folder, "--configfile", "axes.yaml")


# Poison.


def draws(ran, world):
    step = ran.step("train", model="mlp", roles=("victim", "shadow"))
    return draws_of(ran.paths(step, "draw"), world, world), records.read(ran.paths(step, "data")[0])


def test_poison_is_a_share_of_every_draw_and_the_rest_keeps_its_ratio(ran):
    for world, ratio in (("0.0#0", 0), ("0.3#0", 0.3), ("1.0#0", 1)):
        table, there = draws(ran, f"{world}!{SHARE}")
        size = len(there.y)
        pools = store.read(ran.paths(ran.step("draw", purpose="base"), "pools")[0])
        slipped = {}
        for role in ("victim", "shadow"):
            keys, rows = of_role(table, role, (0, 1))
            assert rows.shape[1] == ROWS
            for split, row in zip(keys["split"], rows, strict=True):
                twin = row[row >= size] - size
                assert len(twin) == SHARE * ROWS == len(set(twin))
                assert set(there.a[twin]) == {1} and set(there.y[twin]) == {0}
                assert set(arrays.numpy(pools[f"pool_{split}"])[twin]) == {1}, "poison comes from the adversary's pool"
                slipped.setdefault(split, set()).add(tuple(sorted(twin)))
                rest = row[row < size]
                assert there.a[rest].sum() == round(ratio * len(rest))
                assert not np.isin(twin, rest).any(), "no record stands beside its own twin"
            assert keys["ratio"] == pytest.approx(round(ratio * 190) / 190)
        assert all(len(sets) == 1 for sets in slipped.values()), "one split's models hold the same poison"
        assert len({one for sets in slipped.values() for one in sets}) == SPLITS


def test_poisoned_and_clean_models_are_paired(ran):
    for role in ("victim", "shadow"):
        clean, dirty = (of_role(draws(ran, world)[0], role, (0, 1))[0] for world in ("0.3#0", f"0.3#0!{SHARE}"))
        for name in ("seed", "split", "model_index"):
            assert np.array_equal(clean[name], dirty[name])


def test_poison_takes_the_place_of_clean_rows(ran):
    """The rest of a victim's poisoned draw is a part of its clean draw."""
    for world in ("0.0#0", "0.3#0", "1.0#0"):
        (_, clean), (_, dirty) = (
            of_role(draws(ran, name)[0], "victim", (0, 1)) for name in (world, f"{world}!{SHARE}")
        )
        size = len(draws(ran, world)[1].y)
        for before, after in zip(clean, dirty, strict=True):
            assert set(after[after < size]) < set(before)


def test_a_twin_has_its_label_flipped_and_nothing_else():
    there = tiny.records(100)
    both = records.with_twins(there)
    assert np.array_equal(both.x[100:], there.x) and np.array_equal(both.a[100:], there.a)
    assert np.array_equal(both.y[100:], 1 - there.y) and np.array_equal(both.y[:100], there.y)
    assert np.array_equal(both.cell[100:], there.cell) and np.array_equal(both.unit[100:], there.unit)


def test_training_sees_the_flipped_labels(ran):
    """The stored weights are those of a fit to rows whose labels were flipped by hand."""
    from popleak.stages.train import Fitter

    step = ran.step("train", model="mlp", roles=("victim", "shadow"))
    world = f"1.0#0!{SHARE}"
    table, there = draws(ran, world)
    keys, rows = of_role(table, "victim", (0, 1))
    size = len(there.y)
    twin = rows[0][rows[0] >= size] - size
    y = there.y.copy()
    y[twin] = 1 - y[twin]
    by_hand = Fitter(step.settings, there._replace(y=y))(rows[:1] % size, keys["seed"][:1]).weights
    stored_weights = read_models([ran.folder / step.outputs["victims"]], world=world).weights[:1]
    assert not np.isin(twin, rows[0][rows[0] < size]).any()
    assert np.array_equal(by_hand, stored_weights)


def test_too_much_poison_is_refused_with_what_there_is(tmp_path):
    built = tiny.build(
        poison={"shares": [0.45], "group": 1, "label": 0}, tasks=[{**tiny.raw()["tasks"][0], "rows": 400}]
    )
    with pytest.raises(
        Exception,
        match=r"adversary pool: poison: 180 rows of group group 1 with label 0 .* holds \d+: lower the shares",
    ):
        for stage in ("dataset", "split", "draw"):
            for step in built.steps[stage].values():
                tiny.run_stage(step, tmp_path)


# How far a defence went.


def test_travel_is_measured_on_the_stored_weights(ran):
    """Noise on answers leaves the weights where they are; what is not defended goes nowhere."""
    table = ran.table("models")
    table = table[(table["protocol"] == "pure") & (table["poison"] == 0) & (table["role"] == "victim")]
    table = {
        name: part.set_index(["world", "split", "model_index"]).sort_index() for name, part in table.groupby("defence")
    }
    assert table["none"]["travel"].isna().all() and (table["noisy"]["travel"] == 0).all()
    base, tuned = (
        ran.folder / ran.step(stage, model="mlp", roles=("victim", "shadow"), **more).outputs["victims"]
        for stage, more in (("train", {}), ("defend", {"defence": "fft-rehearsal"}))
    )
    for world, (own, other) in enumerate([("0.0#0", "1.0#0"), ("1.0#0", "0.0#0")]):
        after = read_models([tuned], world=own, from_world=other)
        before = matching(read_models([base], world=own), after.keys["seed"])
        way = np.linalg.norm(after.weights - before.weights, axis=1) / np.linalg.norm(before.weights, axis=1)
        keys = list(zip([world] * len(way), after.keys["split"], after.keys["model_index"], strict=True))
        assert (way > 0).all()
        assert table["fft-rehearsal"].loc[keys, "travel"].to_numpy() == pytest.approx(way, rel=1e-5)


# Who there is.


def test_cells_are_those_that_differ(ran):
    table = ran.table("scores")
    assert set(table["poison"]) == {0.0, SHARE}
    found = {
        name: set(map(tuple, part[["defence", "knowledge", "shadow_model", "repeats"]].drop_duplicates().to_numpy()))
        for name, part in table.groupby("adversary")
    }
    fft = {("fft-rehearsal", level) for level in ("unaware", "aware", "informed")}
    noise = {("noisy", level) for level in ("unaware", "aware", "informed")}
    alone = {("none", "informed", 1)} | {(*key, 1) for key in fft} | {(*key, r) for key in noise for r in (1, 5)}
    assert found["kl"] == {(d, k, model, r) for d, k, r in alone for model in ("mlp", "logistic")}
    assert found["snap"] == found["kl-transductive"] == found["kl"]
    assert found["weights"] == {(d, k, "mlp", 1) for d, k, _ in alone}, "noise is on answers alone"
    assert found["loss"] == {
        (d, "any", "mlp", r) for d, r in (("none", 1), ("fft-rehearsal", 1), ("noisy", 1), ("noisy", 5))
    }
    with_base = {one for one in alone if one[0] != "none" and one[1] != "unaware"}
    assert found["pair"] == {(d, k, model, r) for d, k, r in with_base for model in ("mlp", "logistic")}
    assert found["data"] == {("none", "informed", "mlp", 1)}
    sizes = table.groupby(["poison", "defence", "adversary", "knowledge", "shadow_model", "repeats"]).size()
    assert set(sizes) == {2 * VICTIMS}


def test_reference_lines_and_white_boxes_are_no_candidates_for_best(ran):
    settings = ran.plan.tables["leakage"].settings
    (task,) = settings.references
    assert set(settings.references[task]) == {"data", "kl-transductive"}
    assert set(settings.white_box[task]) == {"weights", "pair", "data"}


def test_shadows_alone_are_trained_for_another_architecture_and_for_the_aware(ran):
    train = ran.step("train", model="logistic")
    assert train.settings.roles == ("shadow",) and train.models == 5 * SPLITS * SHADOWS + SPLITS * SHADOWS
    assert read_rows(ran, train, "victims") == 0 and read_rows(ran, train, "shadows") == train.models
    usual = plugins.load("defences", "fft-rehearsal").Settings().resolved()
    for model in ("mlp", "logistic"):
        assert ran.step("defend", model=model, defence="fft-rehearsal", defence_settings=usual).settings.roles == (
            "shadow",
        )


def read_rows(ran, step, name):
    return store.read(ran.folder / step.outputs[name]).num_rows


# What is seen.


def test_weights_are_those_of_the_judged_models(ran):
    source, step = ran.source("weights"), ran.step("train", model="mlp", roles=("victim", "shadow"))
    found = ran.see(source, "victim", "weights", "none", 1)
    for b, world in enumerate(("0.0#0", "1.0#0")):
        there = read_models([ran.folder / step.outputs["victims"]], world=world)
        mine = found.keys["world"] == b
        assert np.array_equal(found.scores[mine], there.weights) and np.array_equal(
            found.keys["seed"][mine], there.keys["seed"]
        )
    game = source.game(plugins.load("attacks", "weights"))
    assert game.sides == (13, 8, 1) and found.scores.shape[1] == 13 * 8 + 8 + 8 + 1
    defended = ran.see(source, "victim", "weights", "fft-rehearsal", 1)
    assert not np.array_equal(defended.scores, found.scores)
    assert np.array_equal(ran.see(source, "victim", "weights", "noisy", 1).scores, found.scores), (
        "noise is on answers alone"
    )


def test_initial_weights_are_those_that_training_began_with(ran):
    """Each model lies nearer to its own than to any other's, also once it is defended."""
    source = ran.source("weights")
    for arm in ("none", "fft-rehearsal"):
        trained = ran.see(source, "shadow", "weights", arm, 1)
        found = ran.see(source, "shadow", "weights-start", arm, 1)
        weights, start = np.split(found.scores, 2, axis=1)
        assert np.array_equal(weights, trained.scores)
        distance = np.linalg.norm(weights[:, None] - start, axis=2)
        assert np.array_equal(distance.argmin(axis=1), np.arange(len(weights))) and distance.diagonal().min() > 0


def test_pair_is_the_base_model_beside_the_defended_one(ran):
    source = ran.source("pair")
    found = ran.see(source, "victim", "pair", "fft-rehearsal", 1)
    base, own = (ran.see(source, "victim", "scores", arm, 1) for arm in ("none", "fft-rehearsal"))
    assert np.array_equal(base.keys["seed"], own.keys["seed"])
    assert np.array_equal(found.scores, np.concatenate([base.scores, own.scores], axis=1))
    asked = np.array([5, 3])
    seen_there = plugins.load("access", "pair").outputs(found, np.array([1]), asked)
    assert np.array_equal(seen_there[0], np.r_[base.scores[1, asked], own.scores[1, asked]].astype(float))


def test_rows_are_the_draws(ran):
    for poison, world in ((0.0, "1.0#0"), (SHARE, f"1.0#0!{SHARE}")):
        source = ran.source("data", poison)
        found = ran.see(source, "victim", "rows", "none", 1)
        table, there = draws(ran, world)
        _keys, rows = of_role(table, "victim", (0, 1))
        assert np.array_equal(found.scores[found.keys["world"] == 1], rows)
        game = source.game(plugins.load("attacks", "data"))
        assert len(game.records.y) == len(there.y) * (2 if poison else 1)
        assert plugins.load("access", "rows").outputs(found, np.array([0]), np.arange(3)).dtype.kind == "i"


def test_repeated_answers_are_the_mean_and_the_label_given_most_often(ran):
    source = ran.source("kl")
    once, often = (ran.see(source, "victim", "scores", "noisy", repeats) for repeats in (1, 5))
    truth = ran.see(source, "victim", "scores", "none", 1)
    labels = ran.see(source, "victim", "labels", "noisy", 5)
    error = [np.abs(one.scores - truth.scores).mean() for one in (once, often)]
    assert error[1] < 0.8 * error[0]
    assert set(np.unique((labels.scores * 5).round(4))) <= set(range(6))
    everyone, asked = map(np.arange, labels.scores.shape)
    votes = plugins.load("access", "labels").outputs(labels, everyone, asked)
    assert np.array_equal(votes, labels.scores >= 0.5)
    single = ran.see(source, "victim", "labels", "noisy", 1)
    assert np.array_equal(single.scores, once.scores)


def test_noise_has_its_spread_and_comes_from_the_generator_alone():
    defence = plugins.load("defences", "answer-noise")

    def answers(scores, seed, repeats, **settings):
        return defence.answer(
            scores=scores, group=np.zeros(len(scores), np.int8), state=np.empty(0), repeats=repeats,
            rng=np.random.default_rng(seed), settings=defence.Settings(**settings),
        )  # fmt: skip

    given = [answers(np.full(2000, 0.5, np.float32), seed, 3, sd=2.0) for seed in (0, 0, 1)]
    assert given[0].shape == (3, 2000) and np.array_equal(given[0], given[1]) and not np.array_equal(given[0], given[2])
    logits = np.log(given[0]) - np.log1p(-given[0])
    assert logits.std() == pytest.approx(2.0, rel=0.05) and abs(logits.mean()) < 0.1
    assert np.isfinite(answers(np.array([0.0, 1.0], np.float32), 0, 2)).all()


def test_labels_only_attacks_see_of_shadows_what_they_see_of_victims(ran):
    """Asked repeatedly, a shadow's score for them is the share of answers with label 1, whose label is the majority's."""
    source = ran.source("kl")
    shares = ran.see(source, "shadow", "scores", "noisy", 5, votes=True)
    assert np.array_equal(shares.scores, ran.see(source, "shadow", "labels", "noisy", 5).scores)
    assert not np.array_equal(shares.scores, ran.see(source, "shadow", "scores", "noisy", 5).scores)


def test_a_tie_of_answers_goes_to_the_first():
    given = np.array([[0.9, 0.1, 0.9, 0.6], [0.2, 0.8, 0.7, 0.1], [0.8, 0.3, 0.6, 0.2], [0.1, 0.9, 0.9, 0.4]])
    assert (query.votes(given) >= 0.5).tolist() == [True, False, True, False]
    # of three labels: named once each, twice the last, and always the second
    named = np.array([[2, 0, 1], [0, 2, 1], [1, 2, 1]])
    shares = query.votes(np.eye(3)[named])
    assert shares.argmax(-1).tolist() == [2, 2, 1]
    assert shares == pytest.approx(np.array([[1, 1, 1], [1, 0, 2], [0, 3, 0]]) / 3, abs=1e-6)


def test_snap_asks_all_target_points(ran):
    source = ran.source("snap")
    (points,) = [one for split, one in stored.read_points(source.files.points, source.pair.pair).items() if split == 0]
    asked, query = query_of(points, plugins.load("attacks", "snap").all_points)
    assert len(asked) == len(points.y) and ((query.a == 1) & (query.y == 0)).any()


# Many worlds.


def test_estimates_of_many_worlds(ran):
    table = ran.table("estimates")
    assert set(table["adversary"]) == {"kl"} and set(table["ratios"]) == {"0 0.3 1"}
    assert set(table["ratio"]) == set(table["named"]) | set(table["ratio"]) == {0.0, 0.3, 1.0}
    assert table["estimate"].between(0, 1).all()
    sizes = table.groupby(["poison", "defence", "knowledge", "shadow_model", "repeats", "ratio"]).size()
    assert set(sizes) == {VICTIMS}
    everything = ran.table("regression")
    cell = ["poison", "defence", "knowledge", "shadow_model", "repeats"]
    assert set(everything.groupby(cell, dropna=False).size()) == {4}, "a row a ratio and one for all"


def test_the_family_uses_the_pairs_models_and_a_defence_turns_to_the_complement(ran):
    (family, *others) = [step for step in ran.plan.steps["query"].values() if step.settings.model == "mlp" and
                         len(step.settings.pairs[0].worlds) == 3 and "!" not in step.settings.pairs[0].worlds[0]]  # fmt: skip
    assert {len(step.settings.arms["shadow"]) for step in (family, *others)} == {1}
    assert family.settings.pairs[0].towards == ("1.0#0", "0.7#0", "0.0#0")
    pairs = [
        step
        for step in ran.plan.steps["query"].values()
        if step.settings.model == "mlp" and step is not family and step not in others
    ]
    shared = {path for step in pairs for path in step.inputs["victim_models"]}
    assert set(family.inputs["victim_models"]) & shared, "undefended models"


def test_one_victims_estimate_by_hand(ran):
    """The stage's estimate is the attack's, calibrated on that split's shadows of all three worlds."""
    step = next(
        one
        for one in ran.plan.steps["attack"].values()
        if one.settings.question == "many" and one.settings.shadow_model == "mlp" and not one.settings.pairs[0].poison
    )
    source = seen.Source(type(step.settings).parse(step.params), 0, ran.files(step))
    points = stored.read_points(source.files.points, source.pair.pair)[1]
    shadows, victims = (ran.see(source, role, "scores", "none", 1) for role in ("shadow", "victim"))
    attack = plugins.load("attacks", "kl")
    groups = [
        shadows.scores[(shadows.keys["split"] == 1) & (shadows.keys["world"] == b)].astype(float) for b in range(3)
    ]
    judge = attack.calibrate_many(
        shadows=groups, ratios=[0, 0.3, 1], query=Query(points.y, points.a, points.a), settings=attack.Settings(),
        game=Game(0.0, 1.0, ROWS, "natural", "mlp", law=points.law, label_rate=None, seed=source.seed(1)),
    )  # fmt: skip
    mine = np.flatnonzero((victims.keys["split"] == 1) & (victims.keys["world"] == 2))[0]
    table = ran.table("estimates").query(
        "defence == 'none' and split == 1 and ratio == 1 and shadow_model == 'mlp' and poison == 0"
    )
    row = table[table["model_index"] == victims.keys["model_index"][mine]]
    assert row["estimate"].item() == pytest.approx(judge.estimate(victims.scores[mine].astype(float)), abs=1e-9)
