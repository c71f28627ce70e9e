"""What the plan says of a defence that searches lambda on few validation rows, before any job."""

from __future__ import annotations

import pytest

import fake_tables
import tiny
from popleak.plan import build as plan
from popleak.report import build as report

TABLE = {"label": "y", "positive": 1, "attribute": "g", "groups": ["u", "v"]}


@pytest.fixture
def built(tmp_path):
    """built(settings of the defence, **changes of the config) -> the plan of a task on 40,000 rows, 10,000 in each cell."""
    file = tmp_path / "t.csv"
    file.write_text("x,y,g\n" + "1,0,u\n2,1,u\n3,0,v\n4,1,v\n" * 10_000)
    task = {"dataset": "table", "id": "mine", "options": {**TABLE, "path": str(file)}, "rows": 1000, "query_rows": 30}

    def build(settings, name="fft", rows=1000, **changes):
        defence = {"name": name, "id": "searched", "settings": {"eo_weight": "auto", **settings}}
        return tiny.build(tasks=[{**task, "rows": rows}], defences=["none", defence], **changes)

    return build


def said(one: plan.Plan) -> str:
    (line,) = one.cautions
    assert one.notices() == [f"caution: {line}"]
    assert "\n" not in line
    return line


def test_a_target_below_the_noise_is_told_with_figures_and_remedy(built):
    """100 rows held out of S_0 (group u) and 100 of the complement (group v), 50 in each cell: 2 sqrt(.1875 / (50 pi))."""
    line = said(built({}))
    assert line.startswith(
        "mine: defence 'searched' searches lambda (eo_weight: auto) on about 200 validation rows a model: "
    )
    assert "has a Delta_EO of 0.10 on average, above eo_target 0.05" in line
    assert "with probability 0.8 is a Delta_EO from 0.31 on" in line
    assert line.endswith("give eo_weight a number, raise training.validation, or use more rows")


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"name": "fft-rehearsal"}, 150),  # half of the mixture was seen by M_0
        ({"name": "fft-rehearsal", "rehearsal": 0.2}, 180),
        ({"eo_reference": "held-out"}, 100),
        ({"training": {"epochs": 2, "validation": 0.2}}, 400),
        ({"rows": 1500}, 300),
        ({"worlds": [{"protocol": "ratio", "ratios": [0.3, 0.6]}]}, 200),
        ({"worlds": [{"protocol": "k-ary", "ratios": [0, 0.5, 1]}], "attacks": ["kl"]}, 200),
    ],
)
def test_rows_are_those_that_no_training_saw(built, settings, rows):
    changes = {key: settings[key] for key in ("name", "training", "rows", "worlds", "attacks") if key in settings}
    own = {key: value for key, value in settings.items() if key not in changes}
    if changes.get("attacks"):
        changes["worlds"] = [*changes["worlds"], {"protocol": "pure"}]
    assert f"on about {rows} validation rows" in said(built(own, **changes))


def test_the_world_that_shows_least_counts(built):
    """Of 200 rows 6 are of group v where worlds have 0.02 and 0.04 of it: sqrt(2 .1875 (2 / 3 + 2 / 97) / pi)."""
    least = said(built({}, worlds=[{"protocol": "ratio", "ratios": [0.02, 0.04]}, {"protocol": "pure"}]))
    assert "of 0.29 on average" in least


def test_no_row_of_one_group_refuses_nothing(built):
    line = said(built({}, worlds=[{"protocol": "equal", "ratios": [0, 0]}]))
    assert line.endswith(
        "where no label has rows of both groups, so that no lambda is rejected: give eo_weight a number"
    )


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"eo_weight": 1.0}, {}),
        ({"eo_target": 0.11}, {}),
        ({}, {"rows": 1600, "training": {"epochs": 2, "validation": 0.6}}),
    ],
)
def test_nothing_is_said_where_nothing_is_wrong(built, settings, changes):
    assert built(settings, **changes).notices() == []


def test_what_is_not_counted_is_taken_at_its_best():
    """Of generated data, and of a large own table, nobody knows the rows of a group before they are there: the noise of even cells is least."""
    (line,) = tiny.build(defences=["none", {"name": "fft", "settings": {"eo_weight": "auto"}}]).notices()
    assert "has a Delta_EO of at best " in line and "above eo_target 0.05" in line
    quiet = {"name": "fft", "settings": {"eo_weight": "auto", "eo_target": 0.9}}
    assert tiny.build(defences=["none", quiet]).notices() == []


def test_the_report_repeats_it(built, tmp_path):
    one = built({})
    assert one.report.settings.cautions == tuple(one.cautions)
    frames = fake_tables.tables(tasks=("adult-sex",), victims=8)
    page = report.write(
        experiment={"experiment": "x"}, tables=fake_tables.write(tmp_path, frames), figures=[], cards=[], versions={},
        output=tmp_path / "report.html", cautions=one.cautions,
    ).read_text(encoding="utf-8")  # fmt: skip
    assert "Caution: mine: defence &#39;searched&#39; searches lambda" in page


def test_the_table_of_claims_knows_who_searched(built):
    assert built({}).tables["claims"].settings.searched == {"mine": ("searched",)}
    assert built({"eo_weight": 2.0}).tables["claims"].settings.searched == {"mine": ()}
