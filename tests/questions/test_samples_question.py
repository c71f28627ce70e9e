"""The question of samples from files to the public table, with a generator whose law is known: it gives its training rows back, by their labels."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import generated
from popleak.core import plugins
from popleak.core.worlds import World
from popleak.measures import shares
from popleak.stages import split
from popleak.steps.draw import ModelDraw
from popleak.store import parquet as store
from popleak.store import records
from popleak.store.answers import read_points
from popleak.store.populations import draws_of, of_role
from popleak.store.records import original_columns

RATES = [0.2, 0.7]
"""P(y = 1 | a) of the records."""
ROWS, RELEASED = 400, 3000
TASK = {
    "dataset": "synthetic",
    "rows": ROWS,
    "query_rows": 600,
    "options": {"rows": 8000, "label_rates": RATES, "shift": 3.0},
}
ENDS = {"protocol": "samples", "ratios": [0.0, 0.3, 1.0]}
NAMED = ["property-inference", "property-classifier", "label-rate", "shadow-generators-withheld"]


def giving_back(monkeypatch) -> None:
    """Let `tabular-diffusion` be a memoriser: a model is its rows, and of each label it draws them again at random."""
    plugin = plugins.load("models", "tabular-diffusion")

    def fit_rows(*, columns, rows_x, y, a, classes=2, **_):
        whole = np.column_stack([y, a, columns.compact(rows_x)]).astype(np.float32)
        return Fitted(np.concatenate([whole.ravel(), np.bincount(y, minlength=classes) / len(y)]).astype(np.float32))

    def draw(weights, *, columns, y, seed, classes=2, **_):
        width = 2 + len(columns.numbers) + len(columns.categories)
        kept, rng = weights[:-classes].reshape(-1, width), np.random.default_rng(seed)
        chosen = np.array([rng.choice(np.flatnonzero(kept[:, 0] == label)) for label in y])
        return kept[chosen, 1].astype(np.int8), kept[chosen, 2:]

    for name, value in (("fit_rows", fit_rows), ("draw", draw)):
        monkeypatch.setattr(plugin, name, value, raising=False)


class Fitted:
    finite, loss = True, 0.0

    def __init__(self, weights) -> None:
        self.weights = weights


class Made:
    """A run with generators that give their rows back."""

    def __init__(self, folder: Path, **changes) -> None:
        attacks = [*NAMED, {"name": "property-inference", "id": "few", "settings": {"samples": 50}}, "kl"]
        usual = {
            "tasks": [TASK],
            "attacks": attacks,
            "samples": {"rows": RELEASED},
            "sharers": ["none", generated.FAIR],
        }
        self.plan = generated.build(**{**usual, **changes})
        self.folder = folder
        folder.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            giving_back(patch)
            generated.make(self.plan, folder, "shares", "samples")

    def table(self, name, **where):
        found = store.read(self.folder / self.plan.tables[name].outputs["table"]).to_pandas()
        for key, value in {"defence": "none", **where}.items():
            found = found[found[key] == value]
        return found

    def one(self, stage, word=""):
        return next(step for step in generated.steps(self.plan, stage) if word in step.id)

    def file(self, step, name) -> Path:
        return self.folder / step.inputs[name][0]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def even(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("even"), samples={"rows": RELEASED, "labels": "even"})


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("ends"), worlds=[ENDS, generated.RATIO], samples={"rows": 500})


def even_share(ratio) -> float:
    """P(a = 1) of samples whose labels are half and half, by Bayes' rule."""
    given = [ratio * p1 / (ratio * p1 + (1 - ratio) * p0) for p0, p1 in ((1 - RATES[0], 1 - RATES[1]), RATES)]
    return float(np.mean(given))


def mean_by_ratio(found):
    return found.groupby("ratio")["estimate"].mean()


# A sharer's own labels.


def test_counting_the_group_gives_the_ratio_within_hoeffdings_width(own):
    found = own.table("shares", adversary="property-inference")
    assert len(found) == 12 and (found["amplification"] == 1).all() and (found["samples"] == RELEASED).all()
    assert found["width"].to_numpy() == pytest.approx(np.sqrt(np.log(2 / 0.05) / (2 * RELEASED)))
    assert (abs(found["raw"] - found["ratio"]) <= found["width"] + 0.02).all(), (
        "0.02 for the label rate, which is drawn"
    )


def test_the_first_samples_are_those_that_an_adversary_with_few_has(own):
    few, all_of_it = (own.table("shares", adversary=name) for name in ("few", "property-inference"))
    assert (few["samples"] == 50).all() and few["width"].iloc[0] > 7 * all_of_it["width"].iloc[0]
    step = own.one("sample", "-0p2-and-2-more-")
    there = store.read(own.folder / step.outputs["victims"]).to_pandas()
    for row in few.itertuples():
        (mine,) = there[
            (there["world"] == World(row.ratio).name)
            & (there["split"] == row.split)
            & (there["model_index"] == row.model_index)
        ]["a"]
        assert row.raw == pytest.approx(np.mean(mine[:50]))


def test_a_classifier_gives_the_ratio_where_the_group_is_withheld(own):
    means = mean_by_ratio(own.table("shares", adversary="property-classifier"))
    assert means.to_numpy() == pytest.approx(generated.RATIOS, abs=0.06)


def test_labels_alone_give_the_ratio_where_groups_differ_in_them(own):
    means = mean_by_ratio(own.table("shares", adversary="label-rate"))
    assert means.to_numpy() == pytest.approx(generated.RATIOS, abs=0.06)


def test_a_sharer_that_trains_on_rows_of_one_half_gives_one_half(own):
    """`rehearsal` mixes to 1/2 at every ratio."""
    found = own.table("shares", adversary="property-inference", defence="rehearsal")
    assert found["raw"].to_numpy() == pytest.approx(0.5, abs=0.04)


# Labels that the receiver chose.


def test_the_share_among_even_labels_is_off_by_what_bayes_says(even):
    found = even.table("samples").groupby("ratio")["share"].mean()
    expected = [even_share(ratio) for ratio in generated.RATIOS]
    assert found.to_numpy() == pytest.approx(expected, abs=0.02)
    off = np.abs(np.array(expected) - generated.RATIOS)
    assert off[[0, 2]].min() > 0.03, "an uncorrected count would be wrong here"
    assert even.table("samples")["label_rate"].to_numpy() == pytest.approx(0.5, abs=0.04)


def test_the_corrected_count_is_right(even):
    found = even.table("shares", adversary="property-inference")
    assert mean_by_ratio(found).to_numpy() == pytest.approx(generated.RATIOS, abs=0.03)
    assert np.isfinite(found["amplification"]).all() and not (found["amplification"] == 1).any(), "no plain count"


def test_a_classifier_is_corrected_too(even):
    found = mean_by_ratio(even.table("shares", adversary="property-classifier"))
    assert found.to_numpy() == pytest.approx(generated.RATIOS, abs=0.08)


def test_even_labels_tell_nothing_by_themselves(even):
    found = even.table("shares", adversary="label-rate")
    assert (found["estimate"] == 0.5).all() and found["clipped"].all() and np.isinf(found["width"]).all()


def test_shadows_have_even_labels_as_victims_have(even):
    found = mean_by_ratio(even.table("shares", adversary="shadow-generators-withheld"))
    assert found.is_monotonic_increasing and np.ptp(found) > 0.3


def test_only_who_reads_samples_is_told_whose_labels_these_are(even, own):
    for made, said in ((even, "even"), (own, "own")):
        told = {step.settings.attack: step.settings.labels for step in generated.steps(made.plan, "attack")}
        assert told.pop("kl") == "own" and set(told.values()) == {said}


# Auxiliary rows.


@pytest.mark.parametrize("name", ["own", "ends"])
def test_auxiliary_rows_are_no_generators_training_rows(name, request):
    made = request.getfixturevalue(name)
    pools = split.read(made.file(made.one("inspect"), "pools"))
    draws = [
        made.folder / step.outputs["table"]
        for step in generated.steps(made.plan, "draw")
        if isinstance(step.settings, ModelDraw)
    ]
    draws = [path for path in draws if path.exists()]  # those of generators and of their complements
    assert len(draws) == 2
    trained: dict[int, set[int]] = {number: set() for number in pools}
    for path, purpose in itertools.product(draws, ("victim", "shadow")):
        facts = store.read(path).to_pandas()
        for row in facts[facts["role"] == purpose].itertuples():
            trained[row.split] |= set(row.rows)
    for step in generated.steps(made.plan, "attack"):
        for pair in step.settings.pairs if step.settings.question == "samples" else ():
            for number, points in read_points(made.file(step, "points"), pair.pair).items():
                assert not set(points.rows) & trained[number] and len(trained[number]) > 1000
                assert (pools[number][points.rows] == split.POOLS.index("query")).all()


def test_auxiliary_rows_are_as_many_of_each_group_with_the_groups_own_labels(own):
    step = own.one("attack", "property-inference")
    for points in read_points(own.file(step, "points"), step.settings.pairs[0].pair).values():
        assert (points.a == 1).sum() == (points.a == 0).sum() == 600
        for group, rate in enumerate(RATES):
            assert points.y[points.a == group].mean() == pytest.approx(rate, abs=0.07)


# Ends.


def test_at_ratios_0_and_1_there_are_auxiliary_rows_of_both_groups(ends):
    found = ends.table("shares")
    assert set(found["ratio"]) == {0.0, 0.3, 1.0} and np.isfinite(found["estimate"]).all()
    for name in ("property-classifier", "label-rate"):
        means = mean_by_ratio(found[found["adversary"] == name])
        assert means.to_numpy() == pytest.approx([0, 0.3, 1], abs=0.1), name


def test_estimates_beyond_the_ends_are_marked(ends):
    found = ends.table("shares", adversary="property-classifier")
    beyond = (found["raw"] < 0) | (found["raw"] > 1)
    assert beyond.any(), "of 8 at the ends, by chance"
    assert found["clipped"].equals(beyond)
    assert found.loc[beyond, "estimate"].isin([0.0, 1.0]).all()
    counted = ends.table("shares", adversary="property-inference")
    at_ends = counted[counted["ratio"].isin([0, 1])]
    assert (at_ends["raw"] == at_ends["ratio"]).all() and not at_ends["clipped"].any(), (
        "0 of 500 is 0, and nothing was cut"
    )


@pytest.mark.parametrize(
    ("raw", "clipped"), [(-0.2, True), (1.0 + 1e-6, True), (1.0 + 1e-12, False), (0.0, False), (0.4, False)]
)
def test_a_share_says_whether_it_was_clipped(raw, clipped):
    found = shares.of(raw, width=0.1)
    assert found.clipped == clipped and 0 <= found.estimate <= 1 and (found.raw == raw or not clipped)


# A memoriser.


def test_a_generator_that_gives_its_rows_back_is_seen_as_one(own):
    found = own.table("samples")
    assert (found["copied"] == 1).all() and (found["copied_held_out"] == 0).all()
    assert (found["distance"] == 0).all() and (found["nearer"] == 1).all() and (found["distance_held_out"] > 0).all()


@pytest.mark.parametrize(
    "sharer",
    [{"name": "finetune", "settings": {"epochs": 2}}, generated.FAIR, {"name": "resample", "settings": {"how": "exact"}}],
    ids=lambda one: one["name"],
)  # fmt: skip
def test_rows_of_the_complement_are_copies_too_where_a_sharer_trains_on_them(tmp_path, sharer):
    made = Made(tmp_path / "run", attacks=["property-inference", "kl"], sharers=["none", sharer])
    keys = ["ratio", "split", "model_index"]
    plain, found = (
        made.table("samples", defence=name).set_index(keys) for name in ("none", sharer.get("id", sharer["name"]))
    )
    assert len(plain) == len(found) == 12
    assert (found["copied"] == 1).all() and (found["copied_held_out"] == 0).all() and (found["nearer"] == 1).all()
    told = ["information_own", "information_xy_own"]
    assert found[told].equals(plain.loc[found.index, told]), "what is said of the sharer's rows is of S_0 alone"


def test_a_generator_that_learned_little_is_not():
    found = generated.ran().table("samples")
    assert (found["copied"] == 0).all() and abs(found["nearer"].mean() - 0.5) < 0.2


# Rows.


def test_samples_of_each_generator_are_of_its_own_training_rows(own):
    """Rows of victims are those of the draw with the same seed."""
    step = own.one("sample", "-0p2-and-2-more-")
    loaded = records.read(own.file(step, "data"))
    draws = [own.folder / path for path in own.one("inspect").inputs["draw"]]
    there = store.read(own.folder / step.outputs["victims"]).to_pandas()
    for world in there["world"].unique():
        keys, rows = of_role(draws_of(draws, world, world), "victim", (0, 1))
        for one in there[there["world"] == world].itertuples():
            (mine,) = rows[keys["seed"] == one.seed]
            known = {row.tobytes() for row in original_columns(loaded).compact(loaded.x[mine])}
            drawn = np.asarray(one.rows, np.float32).reshape(RELEASED, -1)
            assert all(row.tobytes() in known for row in drawn[:50])
