"""The stage `report`, on made-up tables."""

from __future__ import annotations

import html.parser
import re

import numpy as np
import pandas as pd
import pytest

import a_report
import drawing
import fake_tables
from a_report import EXPERIMENT, FIGURES, SMALL
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.measures import verdicts
from popleak.report import build as report
from popleak.report import cautions, chance, findings, sensitivity, words
from popleak.steps.report import papers_of
from popleak.store.schema import TABLES

pytestmark = pytest.mark.slow


class Page(html.parser.HTMLParser):
    """Collects every tag with its attributes, the text, and what was opened and not closed."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def written(folder, frames, **more):
    return a_report.write(folder, frames, **more).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        drawing.without_places(patch)
        return written(tmp_path_factory.mktemp("report"), fake_tables.tables(**SMALL), figures=FIGURES)


def test_page_is_whole_and_loads_nothing_from_outside(full):
    page = Page(full)
    assert not page.open
    beside = {f"tables/{name}.parquet" for name in (*TABLES, "placebo")} | {f"figures/{name}.pdf" for name in FIGURES}
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for key in ("src", "href", "srcset", "action"):
            if attributes.get(key) not in beside:  # links to files that are published with the page
                assert attributes.get(key, "#").startswith(("#", "data:image/png;base64,")), (tag, key)
        assert not any(key.startswith("on") for key in attributes)
    assert "@import" not in full and "url(" not in full
    assert "/home/someone" not in full
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert {link for link in links if not link.startswith("#")} <= beside and "tables/leakage.parquet" in links


def test_page_holds_every_verdict_figure_and_card(full):
    page = Page(full)
    claims = fake_tables.tables(**SMALL)["claims"]
    badges = re.findall(r'<span class="badge \w+">. ([\w ]+?)\s*</span>', full)
    assert sorted(badges) == sorted(claims["verdict"])
    for column in ("claim", "statement", "evidence"):
        assert all(text in page.text for text in claims[column])
    images = [attributes for tag, attributes in page.tags if tag == "img" and "src" in attributes]
    assert sorted(image["alt"] for image in images) == sorted(plugins.load("figures", name).summary for name in FIGURES)
    assert all(plugins.load("figures", name).caption in page.text for name in FIGURES)
    for text in (
        "Adult <Census>",
        "CC BY 4.0",
        "Male, Female",
        "48842",
        "snakemake --cores all",
        "popleak",
        "100 for each world",
    ):
        assert text in page.text


def test_tables_hold_every_row(full):
    frames = fake_tables.tables(**SMALL)
    rows = {
        name: part.count("<tr>") - 1
        for name, part in re.findall(r'<table class="data" id="(\w+)">(.*?)</table>', full, re.S)
    }
    where = ["task", "model", "protocol", "ratio_0", "ratio_1", "defence"]
    assert rows["leakage"] == len(frames["leakage"])
    assert rows["models"] == len(frames["models"].drop_duplicates([*where, "world"]))
    assert rows["bounds"] == len(frames["bounds"].drop_duplicates(where))


def test_findings_are_the_tables_numbers():
    frames = fake_tables.tables(**SMALL)
    lines = findings.findings(frames, tau=0.1)
    assert 3 <= len(lines) <= 8
    leakage = frames["leakage"]
    best = leakage[
        (leakage["adversary"] == "best") & (leakage["knowledge"] == "informed") & (leakage["protocol"] == "pure")
    ]
    placebos = lines.pop(1)
    rows = frames["placebo"].query("adversary == 'best' and protocol == 'pure' and permutation.notna()")
    away = int((rows["against_chance"] != "cannot tell").sum())
    assert placebos.startswith("Placebo: with the group column permuted")
    assert f"In {away} of {len(rows)} the 95 % interval excludes 50 %" in placebos
    for line, defence in zip(lines, ("none", "fft-rehearsal"), strict=False):
        for row in best[best["defence"] == defence].to_dict("records"):
            assert f"{100 * row['accuracy']:.1f}\u00a0% on {row['task']}" in line
    assert "it is, of 2 tasks, lower in 0" in lines[2] and lines[2].endswith("and undecided in 2.")


def test_two_models_are_no_two_tasks():
    tables = fake_tables.tables(tasks=("adult-sex",))
    twice = {
        name: pd.concat(
            [table, table.assign(**{n: "wide" for n in ("model", "shadow_model") if n in table})], ignore_index=True
        )
        for name, table in tables.items()
    }
    found = " ".join(findings.findings(twice, tau=0.1))
    assert "of 2 cases of a task and a model" in found and "of 2 tasks" not in found


def test_a_searched_lambda_is_no_result_of_a_test():
    tables = fake_tables.tables(tasks=("adult-sex",))
    leakage = tables["leakage"]
    fair = leakage["defence"] == "fft-rehearsal"
    leakage.loc[fair, ["verdict_vs_control", "reason_vs_control"]] = [
        "cannot tell",
        "lambda was searched for each model",
    ]
    (said,) = [one for one in findings.findings(tables, tau=0.1) if one.startswith("Compared with its matched control")]
    assert said.endswith(
        "and undecided in 1. In 1 of the undecided cases lambda was searched for each model, so the difference says nothing about the term."
    )


def test_what_is_undecided_is_said_of_how_many():
    """`undecided in 2 of 23, in 1 of which ...` could be read as 1 of 23."""
    tables = fake_tables.tables(tasks=("acs-sex", "adult-sex", "compas-race"))
    leakage = tables["leakage"]
    fair = leakage["defence"] == "fft-rehearsal"
    leakage.loc[fair & (leakage["task"] == "acs-sex"), "verdict_vs_control"] = "higher"
    leakage.loc[fair & (leakage["task"] == "adult-sex"), "reason_vs_control"] = verdicts.UNTOLD
    (said,) = [one for one in findings.findings(tables, tau=0.1) if one.startswith("Compared with its matched control")]
    assert said.endswith(
        "After Holm's correction it is, of 3 tasks, lower in 0, higher in 1, not materially different (by less than 5 points) in 0 and "
        "undecided in 2. In 1 of the undecided cases neither accuracy differs from chance."
    )


@pytest.mark.parametrize(
    ("kept", "subject"),
    [
        (["accuracy-gap"], "The only adversary that was run, accuracy-gap,"),
        (["accuracy-gap", "loss"], "The best adversary"),
        (["accuracy-gap", "kl"], "The best informed adversary"),
        (["kl"], "The only adversary that was run, kl,"),
    ],
)
def test_the_findings_say_which_adversary_was_run(kept, subject):
    tables = dict(fake_tables.tables(tasks=("adult-sex",), victims=8))
    leakage = tables["leakage"]
    leakage = leakage[leakage["adversary"].isin([*kept, "best"])].copy()
    if "kl" not in kept:
        leakage.loc[leakage["adversary"] == "best", "knowledge"] = "any"
        leakage = leakage.drop_duplicates(["protocol", "defence", "adversary", "knowledge"])
    first = findings.findings(tables | {"leakage": leakage}, tau=0.1)[0]
    assert first.startswith(f"{subject} names the training world of undefended victims this often (pure: 0 vs 1")


def test_models_that_give_one_label_are_named():
    tables = fake_tables.tables(tasks=("adult-sex",))
    models = tables["models"]
    assert not [
        one for one in findings.findings(tables, tau=0.1) if one.startswith("Victims that give all records one label")
    ]
    mine = (models["defence"] == "fft-rehearsal") & (models["role"] == "victim") & (models["protocol"] == "pure")
    models.loc[mine, "status"] = "constant"
    (said,) = [
        one for one in findings.findings(tables, tau=0.1) if one.startswith("Victims that give all records one label")
    ]
    assert "100\u00a0% under fft-rehearsal on adult-sex, pure: 0 vs 1" in said


def test_where_settings_are_swept_none_is_singled_out():
    frames = fake_tables.tables(**SMALL)
    lines = findings.findings(frames, tau=0.1, swept=True)
    assert len(lines) >= 3 and not any("fft" in line or "control" in line for line in lines)


def test_the_report_of_a_sweep_counts_settings(tmp_path):
    frames = fake_tables.tables(**SMALL)
    text = Page(written(tmp_path, frames, swept=True)).text
    assert all(" ".join(said.split()) in text for said in sensitivity.sentences(frames["sensitivity"]))
    assert "Under fft-rehearsal it is right" not in text


def test_a_small_p_value_on_the_page_is_not_zero(tmp_path):
    frames = fake_tables.tables(tasks=("adult-sex",), victims=4)
    frames["leakage"] = frames["leakage"].assign(p_vs_none_holm=0.0)
    assert re.search(r'data-v="0"\s*>&lt;0\.001</td>', written(tmp_path, frames))


def test_rows_of_two_models_do_not_look_alike(tmp_path):
    frames = dict(fake_tables.tables(tasks=("adult-sex",), victims=4))
    claims = frames["claims"]
    mine = claims[claims["claim"] == "C6"].assign(model="mlp")
    frames["claims"] = pd.concat([mine, mine.assign(model="logistic")], ignore_index=True)
    text = written(tmp_path / "two", frames).split('id="table-of-claim-C6"')[1].split("</table>")[0]
    assert '<th scope="col">model</th>' in text and all(f"<td>{name}</td>" in text for name in ("mlp", "logistic"))
    frames["claims"] = mine
    alone = written(tmp_path / "one", frames).split('id="table-of-claim-C6"')[1].split("</table>")[0]
    assert '<th scope="col">model</th>' not in alone


def test_the_names_of_attacks_and_defences_are_explained(tmp_path):
    frames = fake_tables.tables(tasks=("adult-sex",), victims=4)
    text = written(tmp_path, frames)
    assert 'href="#named"' in text.split('id="answer"')[1].split("</section>")[0]
    said = Page(text.split('id="named">')[1].split("</section>")[0]).text
    for kind, column in (("attacks", "adversary"), ("defences", "defence")):
        for name in set(frames["leakage"][column]) - {"best"}:
            assert re.search(rf"\b{name} {re.escape(words.capital(plugins.load(kind, name).summary))}\.", said)
    assert "best" not in said.split("Attacks")[1].split("Defences")[0].split() and "Control: rehearsal." in said


def test_links_to_files_are_explained_once_and_at_the_top(tmp_path):
    frames = fake_tables.tables(tasks=("adult-sex",), victims=4)
    text = written(tmp_path / "beside", frames)
    assert text.count("links to files") == 1 and text.index("links to files") < text.index(" download>")
    assert "links to files" not in written(tmp_path / "alone", frames, downloads=())


NO_CLAIMS = pd.DataFrame({"kind": ["witness"], "task": ["witness"], "defence": [None], "allowed": [np.nan]})


def certified(task, defence, allowed):
    return pd.DataFrame({"kind": ["certified"], "task": [task], "defence": [defence], "allowed": [allowed]})


@pytest.mark.parametrize(("many", "informative"), [(1, False), (30, True)])
def test_few_cells_below_chance_are_what_chance_gives(many, informative):
    """One of 108 cells below chance was once called informative; 2.7 are expected."""
    one = fake_tables.tables(**SMALL)["leakage"].query("protocol == 'pure'").iloc[:1]
    cells = one.loc[one.index.repeat(108)].reset_index(drop=True).assign(against_chance="cannot tell")
    cells.loc[: many - 1, ["accuracy", "against_chance"]] = (0.2, "below")
    (said,) = chance.below(cells, NO_CLAIMS)
    assert f"in {many} of 108 cells" in said and "by chance alone it would be in about 2.7" in said
    assert ("the answers are probably informative" in said) == ("so this is no test" in said) == informative
    assert all("informative" not in mark for row in cells.to_dict("records") for mark in verdicts.marks(row))


def test_cells_below_chance_are_no_evidence_under_a_defence_that_leaves_nothing_to_name():
    one = fake_tables.tables(**SMALL)["leakage"].query("protocol == 'pure'").iloc[:1]
    cells = one.loc[one.index.repeat(40)].reset_index(drop=True).assign(against_chance="below", accuracy=0.2)
    claims = certified(cells["task"].iloc[0], "started-anew", 0.5)
    (said,) = chance.below(cells.assign(defence="started-anew"), claims)
    assert said.startswith("Below chance under started-anew: 40 of 40 cells") and "informative" not in said
    both = cells.assign(defence=["started-anew"] * 39 + ["none"])
    assert "in 1 of 1 cell " in chance.below(both, claims)[0], "they do not swell the count of the others"


@pytest.mark.parametrize(
    ("allowed", "access", "task"), [(0.6, "scores", None), (0.5, "pair", None), (0.5, "scores", "another")]
)
def test_only_a_theorem_that_covers_a_cell_takes_it_out_of_the_count(allowed, access, task):
    """The id `scratch` once did, whatever its settings: a share of rehearsal for which no theorem is known, or a base model beside it."""
    one = fake_tables.tables(**SMALL)["leakage"].query("protocol == 'pure'").iloc[:1]
    cells = one.loc[one.index.repeat(40)].reset_index(drop=True)
    cells = cells.assign(against_chance="below", accuracy=0.2, defence="scratch", access=access)
    (said,) = chance.below(cells, certified(task or cells["task"].iloc[0], "scratch", allowed))
    assert "in 40 of 40 cells" in said and "the answers are probably informative" in said


def test_no_other_sentence_calls_a_cell_informative(tmp_path):
    """One page once said of one cell both that it is informative and that nothing shows so."""
    frames = fake_tables.tables(**SMALL)
    frames["leakage"]["against_chance"] = "cannot tell"
    frames["leakage"].loc[frames["leakage"].index[0], "against_chance"] = "below"
    assert "the answers are probably informative" not in (text := Page(written(tmp_path, frames)).text)
    assert not re.findall(r"(?<!evidence that the answers are )informative", text.replace("uninformative", ""))


def test_equal_inputs_give_equal_bytes(tmp_path):
    frames = fake_tables.tables(tasks=("adult-sex",), victims=4)
    assert written(tmp_path / "a", frames) == written(tmp_path / "b", frames)
    files = {"html", "sha256", *papers_of(frames)}
    assert {path.name for path in (tmp_path / "a" / "out").iterdir()} == {f"report.{file}" for file in files}


def test_escapes_what_a_user_wrote(tmp_path):
    evil = "<script>alert('x')</script>"
    frames = {name: frame.copy() for name, frame in fake_tables.tables(tasks=("adult-sex",), victims=4).items()}
    for frame in frames.values():
        frame["task"] = evil
    frames["claims"]["evidence"] = "<img src=http://example.org/x>"
    experiment = EXPERIMENT | {"title": "</title><b>", "tasks": [{"id": evil}]}
    text = written(tmp_path, frames, experiment=experiment, cards=({"title": evil, "note": evil},))
    assert evil not in text and "<img src=http" not in text and "</title><b>" not in text
    assert "&lt;script&gt;" in text and evil in Page(text).text


def test_warns_of_diverged_constant_and_vacuous_models(tmp_path):
    frames = dict(fake_tables.tables(tasks=("adult-sex",), victims=4))
    frames["models"] = models = frames["models"].copy()
    models.loc[models.index[:3], "status"] = "diverged"
    models.loc[models.index[-1], "status"] = "constant"
    text = Page(written(tmp_path, frames)).text
    assert re.search(
        r"Warning. 3 of [\d,]+ models have a weight or score that is not finite: adult-sex under none", text
    )
    assert (
        re.search(r"Warning. 1 of [\d,]+ models give all records one label", text)
        and "fairness term was 0 in most steps" in text
    )


def test_few_splits_and_small_cells_are_said():
    frames = dict(fake_tables.tables(tasks=("adult-sex",), victims=4, splits=2))
    frames["bounds"] = frames["bounds"].assign(smallest_cell=30)
    frames["bounds"].loc[frames["bounds"].index[:3], "smallest_cell"] = [7, 29, 12]
    said = " ".join(cautions.warnings(frames))
    assert "fewer than 5 pool splits" in said
    assert (
        f"fewer than 30 records of some label to measure on: adult-sex (3 of {len(frames['bounds']):,} models, as few as 7)."
        in said
    )


def test_large_numbers_are_grouped():
    frames = dict(fake_tables.tables(tasks=("adult-sex",)))
    frames["models"] = frames["models"].assign(status="constant")
    (line,) = [one for one in cautions.warnings(frames) if "one label" in one]
    assert line.startswith(
        f"{len(frames['models']):,} of {len(frames['models']):,} models give all records one label: "
    )
    assert "," in line.split(" of ")[0]


def test_without_rows(tmp_path):
    text = written(tmp_path, fake_tables.empty(), experiment={}, cards=())
    assert "nothing to sum up" in Page(text).text and "No claim was judged" in text


def test_other_defences_and_ratios_only(tmp_path):
    frames = fake_tables.tables(
        tasks=("t1",), pairs=(("ratio", 0.2, 0.5),), models=("mlp", "logistic"), extra=("theirs",), victims=4
    )
    frames = {
        name: frame[frame["defence"].isin(["none", "theirs"])] if "defence" in frame else frame
        for name, frame in frames.items()
    }
    text = Page(written(tmp_path, frames)).text
    assert "Under theirs it is right" in text and "on t1 (logistic)" in text


def test_refuses_missing_inputs(tmp_path):
    paths = fake_tables.write(tmp_path, fake_tables.empty())
    given = {"experiment": {}, "cards": (), "versions": {}, "output": tmp_path / "report.html"}
    with pytest.raises(PopleakError, match="needs the table 'claims'"):
        report.write(tables={name: path for name, path in paths.items() if name != "claims"}, figures=(), **given)
    with pytest.raises(PopleakError, match=r"gap\.sha256: no such file: run the step"):
        report.write(tables=paths, figures=[("gap", tmp_path / "gap.png")], **given)
    assert not (tmp_path / "report.html").exists()
