"""Pages of results of experiments on attacks and on ratios: sentences and tables made of the public tables alone."""

from __future__ import annotations

import hashlib
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import drawing
import fake_tables
from popleak.core.errors import PopleakError
from popleak.report import attacks, findings, practice, ratios, readme, tally
from popleak.report import page as results
from popleak.stages import figures as figure

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def full():
    return fake_tables.tables(tasks=("adult-sex", "compas-race"), victims=40, full=True)


def judged(correct, **words):
    """Return rows of `scores` for one adversary in one game: correct (splits, victims) by victim of world 1."""
    correct = np.asarray(correct, dtype=int)
    split, index = np.indices(correct.shape)
    usual = {"task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0, "defence": "none",
             "access": "scores", "knowledge": "informed", "shadow_model": "mlp", "repeats": 1}  # fmt: skip
    columns = {"split": split.ravel(), "world": 1, "model_index": index.ravel(), "guess": correct.ravel()}
    return pd.DataFrame({**usual, **columns, **words})


def scored(*parts):
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(correct=(frame["guess"] == frame["world"]).astype(float))


def test_two_adversaries_are_compared_on_the_same_victims():
    """On 8 of 10 victims of each split the one is right, on 5 the other: 30 points, whatever the order of rows."""
    one, other = [[1] * 8 + [0] * 2] * 4, [[0] * 5 + [1] * 5] * 4
    first = scored(judged(one, adversary="weights"))
    second = scored(judged(other, adversary="meta")).sample(frac=1, random_state=1)
    (row,) = attacks.compared(first, second).to_dict("records")
    assert row["value"] == pytest.approx(0.3) and row["low"] < 0.3 < row["high"]


def test_weights_against_scores_is_counted_over_cells():
    better, worse = [[1] * 20] * 5, [[0] * 19 + [1]] * 5
    frame = judged(better, adversary="weights", access="weights"), judged(worse, adversary="meta")
    again = (
        one.assign(defence="fft")
        for one in (frame[1].assign(adversary="weights", access="weights"), frame[0].assign(adversary="meta"))
    )
    leakage = fake_tables.tables(tasks=("t",), victims=8)["leakage"]
    leakage = leakage[(leakage["protocol"] == "pure") & leakage["defence"].isin(["none", "fft"])]
    said = attacks.findings(leakage, pd.concat([*frame, *again], ignore_index=True))[0]
    assert "more often in 1 of 2 cells and less often in 1" in said
    assert "from \u221295.0 points" in said and "(t, fft) to +95.0 points" in said


def test_every_axis_has_its_sentence(full):
    said = attacks.findings(full["leakage"], full["scores"])
    for words in ("With access to the weights", "`pair` names the world of", "informed compared with aware", "undefended shadows", "instead of once",
                  "another architecture", "poisoned rows the share that `snap` names"):  # fmt: skip
        assert sum(words in sentence for sentence in said) >= 1, words
    assert not any("nan" in sentence for sentence in said)


def test_what_was_not_run_is_not_spoken_of():
    frames = fake_tables.tables(tasks=("adult-sex",), victims=8)
    said = attacks.findings(frames["leakage"], frames["scores"])
    assert not any(
        word in " ".join(said) for word in ("weights", "pair`", "aware", "instead of once", "architecture", "snap")
    )


def test_the_table_has_a_row_an_attack_and_a_column_a_defence(full):
    text = attacks.table(full["leakage"])
    assert text.count("| sees | adversary |") == 2
    assert "| weights |" in text and "| the training rows |" in text
    row = full["leakage"].query(
        "task == 'adult-sex' and adversary == 'kl' and knowledge == 'informed' and protocol == 'pure'"
    )
    row = row[
        (row["defence"] == "none")
        & (row["poison"] == 0)
        & (row["repeats"] == 1)
        & (row["shadow_model"] == row["model"])
    ].iloc[0]
    assert (
        f"{100 * row['accuracy']:.0f}\u00a0% ({100 * row['accuracy_low']:.0f} to {100 * row['accuracy_high']:.0f})"
        in text
    )


def test_ratios_by_distance_from_one_half():
    pairs = tuple(("ratio", ratio, 0.5) for ratio in (0.0, 0.2, 0.8, 1.0))
    frames = fake_tables.tables(tasks=("adult-sex", "lsac-race"), pairs=pairs, victims=20)
    said = ratios.findings(frames["leakage"], frames["proxies"])
    near = [sentence for sentence in said if sentence.startswith("A ratio ")]
    assert [sentence.split()[2] for sentence in near] == ["0.3", "0.5"] and all(
        "of 4 cases" in sentence for sentence in near
    )
    best = frames["leakage"].query("adversary == 'best' and knowledge == 'informed' and defence == 'none'")
    above = best[best["ratio_0"].isin([0.2, 0.8])]["against_chance"].eq("above").sum()
    assert f"above chance in {above} of 4 cases" in near[0]
    assert any(
        sentence.startswith("Rank correlation") and "An attack that can be the best one" in sentence
        for sentence in said
    )


def test_the_table_of_many_ratios_gives_each_adversary():
    frames = fake_tables.tables(tasks=("adult-sex",), victims=8)
    text = ratios.table(frames["regression"])
    assert text.startswith("One ratio among 11") and text.count("| adult-sex |") == 4
    assert ratios.table(frames["regression"].iloc[:0]) == ""


@pytest.mark.parametrize(("main", "figures"), [
    ("attacks", ("attacks", "poison")), ("ratios", ("ratios",)), ("leakage", ("leakage", "summary")),
    ("scorecard", ("scorecard", "pareto")),
])  # fmt: skip
def test_figures_are_committed_beside_the_page(main, figures, full, tmp_path, monkeypatch):
    drawing.without_places(monkeypatch)
    tables = fake_tables.write(tmp_path / "tables", full)
    drawn = {name: figure.draw(name=name, tables=tables, tau=0.1, stem=tmp_path / name)[1] for name in figures}
    page, folder = tmp_path / "README.md", tmp_path / "results"
    page.write_text("\n".join(readme.MARKERS), encoding="utf-8")
    needed = {name: tables[name] for name in (*results.NEEDED, *results.KINDS[main].needs)}
    experiment = {
        "experiment": main,
        "tasks": [{"dataset": "adult", "attribute": "sex", "rows": 2000}],
        "population": {"splits": int(full["leakage"]["splits"].iloc[0]), "victims": 40, "shadows": 10},
        "data_dir": "/home/me",
    }
    results.write(experiment=experiment, tables=needed, cards=[], figures=drawn, folder=folder, page=page)
    there = sorted(path.name for path in (folder / main).iterdir())
    tables_there = {
        f"{name}.csv"
        for name in (*results.KINDS[main].kept, *(["constant"] if main in ("leakage", "scorecard") else []))
    }
    pictures = {f"{name}.{end}" for name in figures for end in ("csv", "png")}
    assert there == sorted({"block.md", "experiment.json", "tables.sha256", *tables_there, *pictures})
    sums = (folder / main / "tables.sha256").read_text(encoding="utf-8").splitlines()
    assert sums == [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}.parquet" for name, path in needed.items()]
    plotted = [name for name in figures if f"{name}.csv" not in tables_there]
    assert plotted
    for name in plotted:
        assert (folder / main / f"{name}.csv").read_bytes() == (tmp_path / f"{name}.csv").read_bytes()
    if main == "leakage":  # the table, whose rows the figure plots, and not the figure's own CSV
        assert len(pd.read_csv(folder / main / "leakage.csv")) == len(full["leakage"])
    text = (folder / f"{main}.md").read_text(encoding="utf-8")
    assert text.index(f"({main}/{main}.png)") == min(text.index(f"({main}/{name}.png)") for name in figures), (
        "the main figure first"
    )
    assert f"[tables.sha256]({main}/tables.sha256)" in text
    assert "| Tasks asked for | adult-sex (2,000 rows a model) |" in text and "/home/me" not in text
    if main == "scorecard":
        assert all(f"- {said}" in text for said in practice.sentences(full["defences"])), "what to use when comes first"
    if main == "attacks":
        assert "- **A defended model beside its base model" in page.read_text(encoding="utf-8")


def test_an_experiment_without_a_main_figure_has_no_page():
    with pytest.raises(
        PopleakError,
        match=r"^config: figures: a page of results needs one of sensitivity, attacks, ratios, shares, poisoning, bill, students, scorecard, leakage, gap",
    ):
        results.main_figure(["bound", "roc"])
    assert results.main_figure(["gap", "leakage"]) == "leakage", "a page on gaps is one on nothing else"


# The README's findings, and the pages that are assembled from committed files.


@pytest.fixture
def committed(full, tmp_path):
    """A folder of results with the tables of one experiment, and a README."""
    inner = tmp_path / "docs" / "results" / "tables"
    inner.mkdir(parents=True)
    for name in ("leakage", "claims"):
        full[name].to_csv(inner / f"{name}.csv", index=False)
    (inner / "leakage.png").write_bytes(b"")
    (inner / "block.md").write_text("- A sentence.\n", encoding="utf-8")
    splits = int(full["leakage"]["splits"].iloc[0])
    population = {"splits": splits, "victims": 40, "shadows": 10}
    settings = {"experiment": "tables", "title": "T", "tasks": [], "tau": 0.1, "population": population}
    (inner / "experiment.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "README.md").write_text("\n".join(readme.MARKERS), encoding="utf-8")
    return inner.parent


def test_findings_count_settings(committed, full):
    best = full["leakage"].query(
        "adversary == 'best' and knowledge == 'informed' and protocol != 'equal' and poison == 0"
    )
    best = best[(best["repeats"] == 1) & (best["shadow_model"] == best["model"])]
    lines = readme.findings(committed, "docs/results")
    plain = best[best["defence"] == "none"]
    above = int((plain["against_chance"] == "above").sum())
    assert lines[0].startswith("**Undefended models give their training population away.**")
    assert f"above chance in {above} of {len(plain)} settings" in lines[0]
    assert "([tables](docs/results/tables.md): 2 tasks, " in lines[0]
    fair = best[best["defence"].isin(["fft", "fft-rehearsal"]) & (best["verdict_vs_control"] != "not applicable")]
    fair = fair[fair["verdict_vs_control"].notna()]
    kinds = {
        "lower": "lower", "higher": "higher", "no material difference": "not materially different", "cannot tell": "undecided",
    }  # fmt: skip
    said = lines[1].split(" leaves named is ")[1].split(f" of {len(fair)} settings")[0]
    counts = {word: int(many) for word, many in re.findall(r"([a-z ]+) in (\d+)", said.replace(" and ", ", "))}
    expected = {word: int((fair["verdict_vs_control"] == verdict).sum()) for verdict, word in kinds.items()}
    assert {word.strip(): many for word, many in counts.items()} == {
        word: many for word, many in expected.items() if many
    }


def test_where_the_gap_is_small_the_adversary_is_looked_up(committed):
    """C2 holds on three of four rows, of which two are above chance, on two tasks but in one pair of worlds."""
    tables = committed / "tables"
    leakage = pd.read_csv(tables / "leakage.csv")
    fair = (leakage["defence"] == "fft-rehearsal") & (leakage["adversary"] == "best")
    leakage.loc[fair & (leakage["protocol"] == "pure"), "against_chance"] = "above"
    leakage.loc[fair & (leakage["protocol"] == "ratio"), "against_chance"] = "cannot tell"
    leakage.to_csv(tables / "leakage.csv", index=False)
    rows = [
        ("adult-sex", "pure", 0.0, 1.0, "holds"), ("compas-race", "pure", 0.0, 1.0, "holds"),
        ("adult-sex", "ratio", 0.3, 0.5, "holds"), ("compas-race", "ratio", 0.3, 0.5, "fails"),
    ]  # fmt: skip
    claims = pd.DataFrame(rows, columns=["task", "protocol", "ratio_0", "ratio_1", "verdict"])
    told = claims.assign(claim="C2", kind="gap-small", model="mlp", defence="fft-rehearsal")
    told.reindex(columns=fake_tables.names("claims")).to_csv(tables / "claims.csv", index=False)
    line = readme.findings(committed, "r")[2]
    assert (
        line.startswith("**A small accuracy gap does not mean that nothing leaks.**")
        and "in 3 of 4 settings, in 2 of these with an adversary above chance (only in pure: 0 vs 1), which names "
        in line
    )

    # a setting in which models tell nothing apart has no gap to speak of
    shares = claims.assign(model="mlp", defence="fft-rehearsal", constant=[0.2, 0.5, 0.9, 0.99])
    shares[[*readme.KEYS, "constant"]].to_csv(tables / "constant.csv", index=False)
    line = readme.findings(committed, "r")[2]
    assert "in 2 of 4 settings (only in pure: 0 vs 1), in 2 of these with" in line
    assert "; not counted: 1 setting in which most models give all records one label." in line


def test_each_experiment_says_its_own_limit_of_a_small_gap(committed):
    claims = committed / "tables" / "claims.csv"
    held = pd.read_csv(committed / "tables" / "leakage.csv").query("defence == 'fft-rehearsal' and protocol == 'pure'")
    rows = held[[*readme.KEYS]].drop_duplicates().assign(claim="C2", kind="gap-small", verdict="holds")
    rows.reindex(columns=fake_tables.names("claims")).to_csv(claims, index=False)
    shutil.copytree(committed / "tables", committed / "paper")
    for name, tau in (("paper", 0.05), ("tables", 0.1)):
        path = committed / name / "experiment.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "tau": tau, "paper": "fair-finetuning"}))
    (line,) = [line for line in readme.findings(committed, "r") if "accuracy gap of most models" in line]
    first, second = line.split("([paper](r/paper.md)")
    assert "is below 0.05 in " in first and "below 0.1 in " in second


@pytest.mark.parametrize(
    ("of", "allowed", "said"),
    [
        ("fft", 0.5, "**Where a theorem says that nothing can be named, something is.** "),
        ("none", 0.5, "**Where a theorem says that nothing can be named, something is.** "),
        ("fft", 0.6, None),
    ],
)
def test_the_theorem_is_told_of_the_defences_that_have_a_certificate(committed, of, allowed, said):
    tables = committed / "tables"
    leakage, claims = pd.read_csv(tables / "leakage.csv"), pd.read_csv(tables / "claims.csv")
    leakage.loc[(leakage["defence"] == of) & (leakage["protocol"] == "pure"), "against_chance"] = "above"
    leakage.loc[(leakage["defence"] == of) & (leakage["protocol"] == "ratio"), "against_chance"] = "cannot tell"
    leakage.to_csv(tables / "leakage.csv", index=False)
    rows = [
        {"claim": "C9", "kind": "certified", "task": task, "defence": of, "allowed": allowed}
        for task in set(leakage["task"])
    ]
    pd.concat([claims, pd.DataFrame(rows)]).to_csv(tables / "claims.csv", index=False)
    lines = [line for line in readme.findings(committed, "r") if "theorem" in line]
    if said is None:
        assert not lines
    else:
        assert len(lines) == 1 and lines[0].startswith(said)
        assert (
            f"above chance under {of}; the best informed one is in 2 of 4 settings (only in pure: 0 vs 1) (" in lines[0]
        )


def test_the_verdicts_of_the_papers_experiment_are_counted(committed, full):
    inner, readme_ = committed / "paper", committed.parents[1] / "README.md"
    shutil.copytree(committed / "tables", inner)
    settings = json.loads((inner / "experiment.json").read_text(encoding="utf-8"))
    (inner / "experiment.json").write_text(json.dumps({**settings, "paper": "fair-finetuning"}), encoding="utf-8")
    results.renew(committed, readme_)
    text = readme_.read_text(encoding="utf-8")
    head, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    words = head.strip("| ").split(" | ")[2:]
    assert set(words) == set(full["claims"]["verdict"])
    claims = full["claims"].assign(arm=[one if isinstance(one, str) else "" for one in full["claims"]["defence"]])
    several = claims.groupby("claim")["defence"].transform("nunique") > 1
    claims["arm"] = claims["arm"].where(several, "")
    for row, ((claim, arm), part) in zip(rows, claims.groupby(["claim", "arm"], sort=False), strict=True):
        name, of, *cells = row.removeprefix("| ").removesuffix(" |").split(" | ")
        assert name.startswith(f"{claim} ") and len(name) > len(claim) + 5 and of == "the paper"
        assert name.endswith(f": {arm}" if arm else "")
        assert [int(cell or 0) for cell in cells] == [int((part["verdict"] == word).sum()) for word in words]
    tasks = full["claims"].query("task != 'witness'")["task"].nunique()
    assert f"([paper](docs/results/paper.md): {tasks} tasks; " in text


def test_the_tally_says_where_the_term_never_acts_and_where_models_are_useless():
    rows = [
        {"claim": claim, "kind": kind, "defence": defence, "verdict": "not applicable" if (claim, defence) == ("C6", "fft") else "holds",
         "task": task, "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "source": "ours"}
        for claim, kind in (("C2", "gap-small"), ("C6", "less-than-control"), ("C7", "eo-follows"))
        for defence in ("fft", "fft-rehearsal") for task in ("a", "b")
    ]  # fmt: skip
    claims = pd.DataFrame(rows)
    constant = {("a", "mlp", "pure", 0.0, 1.0, "fft"), ("a", "mlp", "pure", 0.0, 1.0, "fft-rehearsal")}
    table, said = tally.table(claims, "fair-finetuning", "here", constant).rsplit("\n\n", 1)
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == [
        f"| {claim}{short}: {defence}"
        for claim, short in (
            ("C2", " gap small in most models"),
            ("C6", " leaks less than its control"),
            ("C7", " gap leakage falls only with unfairness"),
        )
        for defence in ("fft", "fft-rehearsal")
    ]
    assert "The fairness term of fft never acts here" in said
    assert "all records one label: C2 2 and C6 1." in said, "no verdict of C7 can be bought"
    assert "one label" not in tally.table(claims, "fair-finetuning", "here")


def test_results_of_an_earlier_version_are_refused_by_name(committed):
    """They once stopped the assembly with a KeyError."""
    path = committed / "tables" / "claims.csv"
    pd.read_csv(path).drop(columns="kind").to_csv(path, index=False)
    with pytest.raises(
        PopleakError, match=r"claims\.csv: lacks the column 'kind', so an earlier version .* run `snakemake "
    ):
        readme.findings(committed, "r")


def test_settings_in_which_the_term_never_acts_are_counted_beside_the_others(committed):
    """All settings of a line add up to what a setting is: tasks, pairs of worlds, defences."""
    path = committed / "tables" / "leakage.csv"
    frame = pd.read_csv(path)
    frame.loc[(frame["defence"] == "fft") & (frame["protocol"] == "pure"), "verdict_vs_control"] = "not applicable"
    frame.loc[frame["defence"].eq("fft-rehearsal"), "verdict_vs_control"] = "lower"
    frame.to_csv(path, index=False)
    line = readme.findings(committed, "r")[1]
    of, more = map(int, re.search(r"of (\d+) settings \(in (\d+) more the term never acts\)", line).groups())
    assert more == 2 and of + more == 2 * 2 * 2


def test_the_shares_of_constant_victims_are_committed(full):
    shares = findings.constant_shares(full["models"])
    victims = full["models"].query("role == 'victim' and poison == 0 and protocol != 'equal'")
    key = (victims["task"].iloc[0], victims["model"].iloc[0], "pure", 0.0, 1.0, "none")
    mine = victims.query("task == @key[0] and protocol == 'pure' and defence == 'none'")
    assert shares[key] == (mine["status"] == "constant").mean() and list(shares.index.names) == readme.KEYS


def test_settings_that_a_task_replaces_have_a_row():
    tasks = [
        {"dataset": "adult", "attribute": "sex", "rows": 2000, "attribute_in_features": True, "placebo": "auto"},
        {"dataset": "synthetic", "id": "a", "rows": 500, "models": [{"name": "prior"}], "ratio_mode": "label-balanced"},
        {"dataset": "synthetic", "id": "b", "rows": 300, "models": [{"name": "prior"}], "ratio_mode": "label-balanced", "placebo": 5},
    ]  # fmt: skip
    said = dict(results.settings({"tasks": tasks, "models": [{"name": "mlp"}], "ratio_mode": "natural"}))
    assert said["Models"] == "mlp" and said["Label rates"] == "natural"
    assert said["Only a and b"] == "Label rates: label-balanced. Models: prior"
    assert (
        said["Tasks asked for"]
        == "adult-sex (2,000 rows a model, sex among the features); a (500 rows a model); b (300 rows a model, 5 placebos)"
    )
    assert [term for term in said if term.startswith("Only")] == ["Only a and b"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "pure", "mlp", "fft"), ("b", "ratio", "mlp", "fft")], ""),
        ([("a", "pure", "mlp", "fft"), ("b", "pure", "mlp", "scratch")], ""),
        ([("a", "pure", "mlp", "fft"), ("b", "pure", "cnn", "fft")], ""),
        ([("a", "pure", "mlp", "fft"), ("a", "ratio", "mlp", "fft")], " (only on a)"),
        ([("a", "pure", "mlp", "fft"), ("b", "pure", "mlp", "fft")], " (only in pure: 0 vs 1)"),
        ([("a", "pure", "mlp", "fft")], " (only on a and in pure: 0 vs 1)"),
        ([], ""),
    ],
)
def test_what_holds_in_one_place_names_it(rows, said):
    columns = ["task", "protocol", "model", "defence"]
    frame = pd.DataFrame(rows, columns=columns).assign(ratio_0=0.0, ratio_1=1.0)
    more = pd.DataFrame([("c", "ratio", "gru", "none")], columns=columns).assign(ratio_0=0.0, ratio_1=1.0)
    assert readme.only(frame, pd.concat([frame, more])) == said
    assert readme.only(frame, frame) == "", "the source of the line says what it is over"


@pytest.mark.parametrize(
    ("verdicts", "head"),
    [
        (("lower", "lower"), "The fairness term protects."),
        (("lower", "cannot tell"), "The fairness term is not shown to protect."),
        (("higher", "higher"), "The fairness term is not shown to protect, and can add leakage."),
        (("higher", "lower"), "The fairness term is not shown to protect."),
    ],
)
def test_the_head_of_a_line_follows_from_the_verdicts(committed, verdicts, head):
    """A verdict on one task alone is no finding."""
    path = committed / "tables" / "leakage.csv"
    frame = pd.read_csv(path)
    for task, verdict in zip(sorted(set(frame["task"])), verdicts, strict=True):
        frame.loc[(frame["task"] == task) & frame["defence"].isin(["fft", "fft-rehearsal"]), "verdict_vs_control"] = (
            verdict
        )
    frame.to_csv(path, index=False)
    assert readme.findings(committed, "r")[1].startswith(f"**{head}**")


def test_pages_and_findings_are_assembled_from_files_alone(committed):
    page = committed.parents[1] / "README.md"
    results.renew(committed, page)
    first = {path: path.read_bytes() for path in committed.parents[1].rglob("*") if path.is_file()}
    assert committed / "tables.md" in set(first)
    results.renew(committed, page)
    assert {path: path.read_bytes() for path in first} == first, "a second time changes nothing"


def test_results_and_settings_of_different_runs_are_refused(committed):
    path = committed / "tables" / "experiment.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["population"]["splits"] += 1
    path.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(PopleakError, match="results and settings are of different runs"):
        results.renew(committed, committed.parents[1] / "README.md")
    assert not (committed / "tables.md").exists()


def test_what_to_use_is_a_finding_where_it_holds_everywhere(committed, full):
    """On one task alone it is none."""
    assert not [line for line in readme.findings(committed, "r") if "What to use" in line]
    (committed / "defences").mkdir()
    full["defences"].to_csv(committed / "defences" / "defences.csv", index=False)
    said = practice.findings(full["defences"])
    lines = [line for line in readme.findings(committed, "r") if "What to use" in line]
    assert bool(lines) == bool(said) and all(
        f"{' '.join(said)} ([defences](r/defences.md): 2 tasks" in line for line in lines
    )
    one = full["defences"][full["defences"]["task"] == "adult-sex"]
    one.to_csv(committed / "defences" / "defences.csv", index=False)
    assert not [line for line in readme.findings(committed, "r") if "What to use" in line]
