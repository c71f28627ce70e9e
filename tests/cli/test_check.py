"""Before a run: `rows: auto`, what pools cannot give, `popleak check` and `popleak init`."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from own_tables import LOANS, people, put
from popleak.cli import check, propose, stages
from popleak.config import resolve as config
from popleak.core import needs
from popleak.core.errors import PopleakError
from popleak.core.worlds import World
from popleak.datasets.base import Cells
from popleak.plan import build as plan
from popleak.plan import sizes
from popleak.stages import split
from popleak.steps.split import SplitStep

POPULATION = {"splits": 2, "victims": 4, "shadows": 3}


def task(path, *, options=None, **changes) -> dict:
    own = {
        "dataset": "table",
        "id": "loans",
        "rows": 40,
        "query_rows": 20,
        "options": {"path": str(path), **LOANS, **(options or {})},
    }
    return {**own, **changes}


def experiment(*tasks, **changes):
    return config.load(tiny.raw(tasks=list(tasks), population=POPULATION, **changes))


def said(one) -> tuple[list[str], list[str]]:
    """Return what `check` says of an experiment, and its problems."""
    found = []
    try:
        found.extend(check.run(one))
    except PopleakError as error:
        return found, str(error).split("\n  ")
    return found, []


# ---- the plan


def test_a_wrong_column_is_known_before_a_job(tmp_path):
    path = put(tmp_path, people())
    with pytest.raises(PopleakError) as caught:
        plan.build(experiment(task(path, options={"label": "paid", "drop": ["nme"]})))
    first, *rest = str(caught.value).split("\n  ")
    assert first == f"config: tasks: loans: {path}: 2 problems:"
    assert [line.split(":")[0] for line in rest] == ["options.label", "options.drop"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_beyond_the_pool_are_known_before_a_job(tmp_path, suffix):
    path = put(tmp_path, people())
    if suffix == ".parquet":
        pd = pytest.importorskip("pandas")
        pd.read_csv(path).to_parquet(path := tmp_path / "loans.parquet")
    for key, value, message in (
        (
            "rows",
            400,
            r"rows: 400 rows of group male are asked for, and the victim pool holds 48: lower it to 31 at most",
        ),
        ("query_rows", 400, r"query_rows: 400 rows of group male .*query pool holds 2\d: lower it to 15 at most"),
    ):
        with pytest.raises(PopleakError, match=f"^config: tasks: loans: {message}"):
            plan.build(experiment(task(path, rows=30, query_rows=15) | {key: value}))
    with pytest.raises(PopleakError, match=r"2 problems:\n  rows: 400 .*\n  query_rows: 400 "):
        plan.build(experiment(task(path, rows=400, query_rows=400)))
    assert plan.build(experiment(task(path, rows=30, query_rows=15)))


def test_a_draw_and_a_disjoint_complement_are_asked_of_one_pool(tmp_path):
    """At 0.3 against 0.5 they need 1.2 rows of the first group for each row of a model; without a defence 0.7 are enough."""
    path, worlds = put(tmp_path, people(400)), [{"protocol": "ratio", "ratios": [0.3, 0.5]}]
    built = plan.build(experiment(task(path, rows=76), worlds=worlds))
    assert all(
        len(step.settings.draws) == 2 for step in built.steps["draw"].values() if step.settings.purpose != "query"
    )
    beside = r"by S_0 at the ratio 0\.3 and a disjoint complement at 0\.5"
    for rows, asked in ((90, 108), (120, 144)):
        with pytest.raises(
            PopleakError,
            match=rf"^config: tasks: loans: rows: {asked} rows of group male are asked for {beside}, and the victim pool holds 97: lower it to 79 at most",
        ):
            plan.build(experiment(task(path, rows=rows), worlds=worlds))
        assert plan.build(experiment(task(path, rows=rows), worlds=worlds, defences=["none"]))
    lines, problems = said(experiment(task(path, rows=90), worlds=worlds))
    assert "rows: 108 rows of group male are asked for by S_0" in problems[1]
    most = next(int(line.split()[-3]) for line in lines if "rows: 90" in line)
    lines, problems = said(experiment(task(path, rows=most), worlds=worlds))
    assert not problems
    # of the 64 female rows in a pool a draw at 0.5 takes half its rows: 25 of them, 39 %
    chosen = plan.build(experiment(task(path, rows="auto"), worlds=worlds))
    assert {step.settings.rows for step in chosen.steps["draw"].values() if step.settings.purpose != "query"} == {50}
    for stage in ("dataset", "split", "draw"):
        for step in chosen.steps[stage].values():
            tiny.run_stage(step, tmp_path)


def test_room_for_a_complement_is_asked_for_where_a_defence_trains_on_it():
    own = {"dataset": "compas", "attribute": "race", "rows": 800, "query_rows": 200}
    worlds = [{"protocol": "ratio", "ratios": [0.3, 0.5]}]

    def built(*defences):
        return plan.build(experiment(own, worlds=worlds, defences=["none", *defences]))

    for defences in ((), ("answer-noise",)):
        assert {step.settings.purpose for step in built(*defences).steps["draw"].values()} == {"base", "query"}
    with pytest.raises(PopleakError, match=r"^config: tasks: compas-race: rows: \d+ rows .* and a disjoint complement"):
        built("answer-noise", "finetune")
    own["rows"] = 300
    alone, beside = built("answer-noise").steps["defend"], built("answer-noise", "finetune").steps["defend"]
    assert alone and alone.keys() < beside.keys(), "another defence changes no step of the noise"


def test_a_mixture_that_cannot_be_whole_is_known_before_a_job(tmp_path):
    """One row of a group in 10, and balanced labels: neither draw gives one with label 0, but one at the ratio in between has it."""
    one = experiment(
        task(put(tmp_path, people(400)), rows=10), worlds=[{"protocol": "ratio", "ratios": [0, 0.1]}], ratio_mode="label-balanced",
        defences=["none", "scratch"],
    )  # fmt: skip
    with pytest.raises(
        PopleakError, match=r"loans: defence 'scratch': rehearsal: a share of 0\.5 of 10 rows at the ratios 0 and 0\.1"
    ):
        plan.build(one)


def test_rows_beyond_a_published_dataset(tmp_path):
    with pytest.raises(PopleakError, match=r"^config: tasks: german-sex: rows: 500 rows of group Male"):
        plan.build(experiment({"dataset": "german", "attribute": "sex", "rows": 500, "query_rows": 50}))


def test_rehearsal_against_validation_is_arithmetic(tmp_path):
    greedy = ["none", {"name": "rehearsal", "settings": {"rehearsal": 0.95}}]
    with pytest.raises(
        PopleakError,
        match=r"loans: defence 'rehearsal': rehearsal: a share of 0\.95 of a model's 40 rows may need more rows of a group, .* held out 4: lower it to 0\.91 ",
    ):
        plan.build(experiment(task(put(tmp_path, people(400))), defences=greedy))
    least = ["none", {"name": "rehearsal", "settings": {"rehearsal": 0.9}}]
    assert plan.build(experiment(task(put(tmp_path, people(400))), defences=least))


def test_rows_auto(tmp_path):
    """Half of what the smallest pool gives a model and at most 40 % of a group in it, and a number that the step bears."""
    path = put(tmp_path, people(1000))
    built = plan.build(experiment(task(path, rows="auto", query_rows="auto")))
    drawn = {step.settings.rows for step in built.steps["draw"].values() if step.settings.purpose != "query"}
    asked = {step.settings.query_rows for step in built.steps["draw"].values() if step.settings.purpose == "query"}
    assert (drawn, asked) == ({64}, {77}), (
        "one less for each label than the pools give, as placebos' pools may hold less"
    )
    same = plan.build(experiment(task(path, rows=64, query_rows=77)))
    assert same.steps["draw"].keys() == built.steps["draw"].keys()
    put(tmp_path, people(2000))
    assert plan.build(experiment(task(path, rows="auto"))).steps["draw"].keys() != built.steps["draw"].keys()
    put(tmp_path, people(30))
    with pytest.raises(PopleakError, match=r"loans: rows: auto: a group has \d+ rows, too few to divide into pools"):
        plan.build(experiment(task(path, rows="auto", query_rows="auto")))
    adult = plan.build(experiment({"dataset": "adult", "rows": "auto", "query_rows": "auto"}))
    assert {getattr(step.settings, "rows", 2000) for step in adult.steps["draw"].values()} == {2000}
    with pytest.raises(PopleakError, match="synthetic-group: rows: auto needs a dataset that states its rows"):
        plan.build(experiment({"dataset": "synthetic", "rows": "auto"}))


@pytest.mark.parametrize("count", [300, 601, 1000])
@pytest.mark.parametrize("ratios", [[0, 1], [0.3, 0.5]])
def test_rows_auto_is_never_what_check_warns_of(tmp_path, count, ratios):
    """It once chose 49 % of a pool, and said in the next line to lower that."""
    own = task(put(tmp_path, people(count)), rows="auto", query_rows="auto")
    lines, problems = said(experiment(own, worlds=[{"protocol": "ratio", "ratios": ratios}]))
    assert not problems and not [line for line in lines if "look at rows" in line]
    chosen = next(int(line.split()[1]) for line in lines if line.strip().startswith("rows:"))
    above = {**own, "rows": int(chosen * 1.15) + 1}
    lines, _ = said(experiment(above, worlds=[{"protocol": "ratio", "ratios": ratios}]))
    assert any("look at rows" in line for line in lines), "and it is not far below"


def test_check_names_the_features_and_counts_what_to_look_at(tmp_path):
    path = put(tmp_path, people(1000, Code=lambda i: 100 + i % 9, zip_code=lambda i: 1000 + i % 9))
    lines, problems = said(experiment(task(path)))
    assert not problems
    assert "  features: age, job, Code, zip_code" in lines
    assert sum(line.startswith("  look at") for line in lines) == 2 and lines[-1] == "no problem, 2 things to look at"
    lines, _ = said(experiment(task(path, options={"drop": ["Code", "zip_code"]})))
    assert lines[-1] == "no problem"


def test_rows_auto_of_an_absent_table_names_the_file():
    with pytest.raises(PopleakError, match=r"^config: tasks: loans: no file nowhere\.csv"):
        plan.build(experiment(task("nowhere.csv", rows="auto")))


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 300), min_size=4, max_size=4),
    ratios=st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), min_size=1, max_size=3),
    mode=st.sampled_from(["natural", "label-balanced"]),
    poison=st.sampled_from([0.0, 0.1]),
    public=st.sampled_from([0.0, 0.1]),
)
def test_the_pools_hold_what_the_arithmetic_says(counts, ratios, mode, poison, public):
    """Neither fewer rows than `held` counts with, nor more; and the largest rows are the largest."""
    y, a = np.repeat([0, 0, 1, 1], counts), np.repeat([0, 1, 0, 1], counts)
    cells = ((counts[0], counts[1]), (counts[2], counts[3]))
    shares = {"victim": 0.4, "adversary": 0.35, "query": 0.25 - public, "public": public}
    few, many = (needs.held(cells, shares, fewest=fewest) for fewest in (True, False))
    cut = SplitStep(seed=1, key="k", splits=2, victim_share=0.4, adversary_share=0.35, public_share=public)
    for pool in split.pools_of(y, a, np.arange(len(y)), cut):
        for number, name in enumerate(needs.POOLS):
            for label, group in ((0, 0), (0, 1), (1, 0), (1, 1)):
                there = ((pool == number) & (y == label) & (a == group)).sum()
                assert few[name, label, group] <= there <= many[name, label, group]
    draws = needs.Draws([World(ratio) for ratio in ratios], mode, sum(cells[1]) / len(y), poison, public=public > 0)
    rows = needs.largest_rows(draws, few)
    assert all(need.rows <= needs.room(need, few) for need in draws.needs(rows))
    assert any(need.rows > needs.room(need, few) for more in range(1, 12) for need in draws.needs(rows + more))


# ---- check


def test_check_says_all_problems_of_all_tasks(tmp_path):
    bad = put(
        tmp_path,
        people(repaid=lambda i: ("yes", "no", "No")[i % 3], income=lambda i: "?" if i % 9 == 0 else 100 + i),
        "bad.csv",
    )
    shifted = put(tmp_path, people().replace("\n27,", "\n27,x,"), "shifted.csv")
    tasks = [
        task(bad, id="bad"), task(shifted, id="shifted"), task("nowhere.csv", id="gone"), task(put(tmp_path, people()), id="small", rows=400, query_rows=15),
        task(put(tmp_path, people(400), "good.csv"), id="good"),
    ]  # fmt: skip
    lines, problems = said(experiment(*tasks))
    assert [line.split(": ")[1] for line in problems[1:]] == ["bad", "bad", "shifted", "gone", "small"]
    assert problems[0] == "check: 5 problems:"
    for line, part in zip(
        problems[1:],
        ("options.negative", "column 'income'", "5 fields where", "no file nowhere", "rows: 400 rows"),
        strict=True,
    ):
        assert part in line
    assert lines[lines.index("good: table") + 1 :] == [
        "  card: 26 of 30 fields are unknown, 4 are not verified: `popleak card` writes one to complete",
        "  features: age, job",
        "  separator ',', encoding 'utf-8'",
        "  125 of 400 rows repeat another row in all 4 columns that are read",
        "  group 0 (male): 240 rows, 71.2 % with y = 1",
        "  group 1 (female): 160 rows, 71.9 % with y = 1",
        "  rows: 40; the pools give 64 at most",
        "  query_rows: 20; the pools give 31 at most",
        "  look at rows: if P(a = 1) is 1, a draw takes 62 % of the rows of group female in the victim pool (40 of about 64). Above 40 % an "
        "accuracy depends strongly on this particular table: lower `rows` to 25, or compare it with its 3 placebos",
    ]


def test_what_check_lets_pass_is_drawn(tmp_path):
    """The most rows that it names are those of the pools that a run cuts, with units too."""
    path = put(tmp_path, people(600, home=lambda i: i // 3))
    own = task(path, rows="auto", query_rows="auto", options={"unit": "home"})
    lines, problems = said(experiment(own))
    assert not problems
    rows, query_rows = (int(line.split()[-3]) for line in lines if "the pools give" in line)
    for more in (0, 1):
        one = experiment({**own, "rows": rows + more, "query_rows": query_rows + more}, defences=["none"])
        assert len(said(one)[1]) == (3 if more else 0)
        if more:
            continue
        built = plan.build(one)
        for stage in ("dataset", "split", "draw"):
            for step in built.steps[stage].values():
                tiny.run_stage(step, tmp_path)


def test_check_of_other_datasets_and_tight_rehearsal(capsys, monkeypatch):
    tight = ["none", {"name": "rehearsal", "settings": {"rehearsal": 0.88}}]
    one = experiment(
        {"dataset": "synthetic", "rows": 60},
        defences=tight,
        worlds=[{"protocol": "pure"}, {"protocol": "ratio", "ratios": [0.3, 0.5]}],
    )
    _, problems = said(one)
    assert problems[0] == "check: 1 problem:" and problems[1].endswith(
        "defence 'rehearsal': rehearsal: a share of 0.88 of a model's 60 rows may need more rows of a group, or of a label in it, than are left to "
        "some models after training.validation has held out 6: lower it to 0.74 or less, or lower training.validation"
    )
    card = experiment(
        {"dataset": "adult", "rows": 60},
        defences=tight,
        worlds=[{"protocol": "pure"}, {"protocol": "ratio", "ratios": [0.3, 0.5]}],
    )
    _, problems = said(card)
    assert len(problems) == 2 and "lower it to 0.74 or less" in problems[1]
    monkeypatch.chdir(tiny.ROOT)
    assert stages.main(["check", "--configfile", "workflow/experiments/smoke.yaml"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no problem"


def test_check_exits_with_two(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text((tiny.ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    path = put(tmp_path, people())
    import yaml

    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"tasks": [task(path, rows=400, query_rows=15)]}))
    assert stages.main(["check", "--configfile", "own.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("popleak: check: 1 problem:\n  tasks: loans: rows: 400 rows of group male")
    assert captured.out.startswith("loans: table\n")


# ---- init


def test_init_proposes_a_config_that_passes_check(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text((tiny.ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    columns = {
        "customer": lambda i: f"c{i}", "income": lambda i: "?" if i % 9 == 0 else 1000 + 37 * i % 900, "zip_code": lambda i: 1000 + i % 9,
        "joined": lambda i: f"2020-01-{i % 28 + 1:02d}", "note, free": lambda i: i % 3,
    }  # fmt: skip
    text = people(600, **columns).replace("note, free", '"note: ""free"""')
    put(tmp_path, text, "My loans.csv")
    assert stages.main(["init", "My loans.csv"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "not read: customer (every row has its own value, like an identifier)",
        "not read: joined (holds dates or times)",
        "missing: '?' where it stands alone",
        "wrote my-loans.yaml: read it, correct it, then",
        "  popleak check --configfile my-loans.yaml",
        "  snakemake --cores all --configfile my-loans.yaml",
    ]
    made = config.read("my-loans.yaml")
    (own,) = made["tasks"]
    assert (own["rows"], own["query_rows"], own["id"]) == ("auto", "auto", "my-loans")
    assert own["options"] == {
        "path": "My loans.csv", "label": "repaid", "positive": "yes", "attribute": "sex", "groups": ["male", "female"], "missing": ["?"],
        "categorical": ["zip_code"], "drop": ["customer", "joined"],
    }  # fmt: skip
    assert stages.main(["check", "--configfile", "my-loans.yaml"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no problem, 1 thing to look at"
    before = (tmp_path / "my-loans.yaml").read_text()
    assert stages.main(["init", "My loans.csv", "--label", "income", "--group", "age"]) == 2
    assert "my-loans.yaml: exists already" in capsys.readouterr().err
    assert (tmp_path / "my-loans.yaml").read_text() == before
    assert stages.main(["init", "My loans.csv", "--label", "income", "--group", "age", "--output", "cut.yaml"]) == 0
    cut = config.read("cut.yaml")["tasks"][0]["options"]
    assert cut["positive"].startswith("> 1") and cut["groups"] == ["<= 40", "> 40"]
    assert stages.main(["check", "--configfile", "cut.yaml"]) == 0


def test_init_says_what_it_cannot_guess(tmp_path):
    path = put(tmp_path, "a,b,c\n" + "".join(f"{i % 5}.5,{i % 2},{i % 7}\n" for i in range(90)))
    with pytest.raises(
        PopleakError, match="no column looks like the sensitive attribute: name it with --group: choose from a, b, c"
    ):
        propose.propose(path)
    with pytest.raises(PopleakError, match="--group: column 'd' is not in the table"):
        propose.propose(path, group="d")
    assert "attribute: c" in propose.propose(path, group="c")
    spelt = put(tmp_path, people(income=lambda i: ("<=50K", ">50K", "<=50K.", ">50K.")[i % 4]), "spelt.csv")
    assert "positive: ['>50K', '>50K.']" in propose.propose(spelt) and "negative: [<=50K, <=50K.]" in propose.propose(
        spelt
    )


@pytest.mark.skipif(os.environ.get("POPLEAK_DATA") is None, reason="POPLEAK_DATA is not set")
def test_plans_of_the_experiments_still_stand():
    """What the cards state of published datasets refuses none of the experiments that ship."""
    for path in sorted((tiny.ROOT / "workflow" / "experiments").glob("*.yaml")):
        raw = config.merge(config.read(tiny.ROOT / "config.yaml"), config.read(path))
        assert plan.build(config.load(raw))


def test_counts_are_read_once_a_process(tmp_path, monkeypatch):
    one = experiment(task(put(tmp_path, people(400))))
    calls, cells = [], sizes.plugins.load("datasets", "table").cells
    monkeypatch.setattr(
        sizes.plugins.load("datasets", "table"), "cells", lambda **k: calls.append(k) or cells(**k), raising=False
    )
    assert plan.build(one) and plan.build(one)
    assert len(calls) == 1
    (found,) = {sizes.cells_of(t, *sizes.raw_files(one, t)) for t in config.resolve(one)}
    assert isinstance(found, Cells) and found.exact
