"""The command `audit`: the config that it keeps, what it refuses, and the exit status that a pipeline waits for."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

import audited
import own_tables
import tiny
from popleak.cli import check, release, stages
from popleak.config import resolve as config
from popleak.core.errors import PopleakError
from popleak.measures.lights import CLEAR, DULL, FEW, LEAK, OPEN, PLACEBO, WIDE
from popleak.plan.build import build
from popleak.report import audit_file


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_bytes((tiny.ROOT / "config.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- the config


def test_the_config_asks_what_an_owner_asks(here):
    table = audited.put(here, 800, 1.0)
    raw = yaml.safe_load(
        release.proposed(table, label="income=>50K", group="sex=Male,Female", model="logistic", rows="60")
    )
    assert raw["worlds"] == [
        {"protocol": "pure"},
        *({"protocol": "ratio", "ratios": [low, 0.5]} for low in (0.3, 0.34)),
    ]
    assert raw["models"] == ["logistic"] and raw["tasks"][0]["rows"] == 60 and raw["audit"] == {"margin": 0.1}
    options = raw["tasks"][0]["options"]
    assert options["positive"] == ">50K" and options["groups"] == ["Male", "Female"]
    turned = yaml.safe_load(release.proposed(table, label="income=<=50K", group="sex=Female,Male"))
    assert turned["worlds"][2] == {"protocol": "ratio", "ratios": [0.5, 0.66]}
    assert turned["tasks"][0]["options"]["positive"] == "<=50K"
    guessed = yaml.safe_load(release.proposed(table, access=["labels", "weights"]))
    assert guessed["attacks"] == ["loss", "threshold", "kl", "meta", "weights"] and raw["attacks"] == [
        "loss",
        "threshold",
        "kl",
        "meta",
    ]
    assert guessed["tasks"][0]["options"]["label"] == "income" and guessed["tasks"][0]["options"]["attribute"] == "sex"
    config.load(config.merge(config.read("config.yaml"), raw))


def messy(here, **columns):
    base = {
        "person": lambda i: f"c{i % 1170}", "age": lambda i: "unknown" if i % 40 == 7 else f"{20 + i % 50}.0",
        "pay": lambda i: f"{10 + i % 80}.{100 + i % 899}", "sex": lambda i: ("male", "female", "Male")[i % 3],
        "repaid": lambda i: ("Yes", "No", "yes", "No")[i % 4],
    }  # fmt: skip
    return own_tables.put(here, own_tables.people(1200, **base | columns).replace(",", ";"))


def test_a_named_value_stands_for_all_its_spellings(here):
    table = messy(here)
    for label, group in (("repaid=yes", "sex=male,female"), ("repaid=YES", "sex=Male,female")):
        text = release.proposed(table, label=label, group=group)
        options = yaml.safe_load(text)["tasks"][0]["options"]
        assert options["positive"] == ["Yes", "yes"] and options["groups"] == [["male", "Male"], "female"]
        assert "'Yes' and 'yes' are taken for one value" in text and "negative" not in options
    guessed = yaml.safe_load(release.proposed(table))["tasks"][0]["options"]
    assert guessed["groups"] == [["male", "Male"], "female"]
    with pytest.raises(PopleakError, match="'male' and 'Male' are spellings of one value"):
        release.proposed(table, group="sex=male,Male")


def test_what_is_not_read_is_said_and_a_word_among_numbers_is_proposed_as_missing(here, capsys):
    table = messy(here, code=lambda i: "x" if i % 40 == 7 else "y" if i % 40 == 9 else i)
    assert stages.main(["audit", table.name, "--label", "repaid=yes", "--group", "sex=male,female", "--plan"]) == 0
    out = capsys.readouterr().out
    options = yaml.safe_load((here / "loans-audit.yaml").read_text())["tasks"][0]["options"]
    assert options["missing"] == ["unknown"] and options["unit"] == "person" and list(options["drop"]) == ["code"]
    assert "not read: code (1140 values are numbers and 60 are not, " in out and "add them to options.missing" in out
    assert "missing: 'unknown' stands among the numbers of age" in out
    assert "not read as a feature: person (1170 different values in 1200 rows)" in out
    assert "features: age, job, pay" in out
    assert "unknown" not in yaml.safe_load(release.proposed(messy(here, repaid=lambda i: ("unknown", "No")[i % 2])))[
        "tasks"
    ][0]["options"].get("missing", [])


def test_three_digits_behind_a_point_everywhere_are_proposed_as_thousands(here):
    table = messy(here, age=lambda i: 20 + i % 50)
    text = release.proposed(table, label="repaid=yes", group="sex=male,female")
    options = yaml.safe_load(text)["tasks"][0]["options"]
    assert options["decimal"] == {"pay": ","} and "pay: '10.100' is read with thousands, as 10100" in text


def named(i: int) -> str:
    return ("M", "Male", "F", "Female", "m")[i % 5]


def test_several_values_of_a_group_are_named_on_the_command_line(here):
    table = messy(here, sex=named)
    text = release.proposed(table, label="repaid=yes", group="sex=M|Male,F | Female")
    options = yaml.safe_load(text)["tasks"][0]["options"]
    assert options["groups"] == [["M", "m", "Male"], ["F", "Female"]] and "in neither group" not in text
    labels = messy(here, repaid=lambda i: ("paid", "Yes", "late", "yes", "No")[i % 5])
    options = yaml.safe_load(release.proposed(labels, label="repaid=yes|paid", group="sex=male,female"))["tasks"][0][
        "options"
    ]
    assert options["positive"] == ["Yes", "yes", "paid"] and options["negative"] == ["late", "No"]
    whole = messy(here, sex=lambda i: ("a|b", "c")[i % 2])
    options = yaml.safe_load(release.proposed(whole, label="repaid=yes", group="sex=a|b,c"))["tasks"][0]["options"]
    assert options["groups"] == ["a|b", "c"], "a value that stands in the table is one value"
    with pytest.raises(PopleakError, match="'M' and 'm' are spellings of one value"):
        release.proposed(messy(here, sex=named), label="repaid=yes", group="sex=M|Male,F|m")
    with pytest.raises(PopleakError, match="column 'sex' has no value 'X'"):
        release.proposed(messy(here, sex=named), label="repaid=yes", group="sex=M|X,F")


def test_a_sign_that_is_a_value_of_label_or_group_is_not_missing(here):
    """Of a label with + and - all negatives were dropped in silence."""
    sign = lambda i: ("+", "-", "-", "unclear")[i % 4]  # noqa: E731
    table = messy(here, repaid=sign)
    text = release.proposed(table, label="repaid=+", group="sex=male,female")
    options = yaml.safe_load(text)["tasks"][0]["options"]
    assert options["negative"] == ["-", "unclear"] and "-" not in options.get("missing", [])
    for other in ("?", "."):
        asked = messy(
            here,
            repaid=lambda i, other=other: other if i % 9 == 0 else ("yes", "no")[i % 2],
            sex=lambda i, other=other: (other, "M", "M", "M", "F")[i % 5],
        )
        options = yaml.safe_load(release.proposed(asked, label="repaid=yes", group="sex"))["tasks"][0]["options"]
        assert options["groups"] == ["M", "F"] and other in options["missing"] and "negative" not in options, (
            "nobody knows is no value"
        )
    tested = messy(here, repaid=lambda i: i, result=lambda i: "+-"[i % 2])
    assert yaml.safe_load(release.proposed(tested, group="sex=male,female"))["tasks"][0]["options"]["label"] == "result"
    for group in (None, "sex", "sex=+,-"):
        options = yaml.safe_load(release.proposed(messy(here, sex=sign), label="repaid=yes", group=group))["tasks"][0][
            "options"
        ]
        assert set(options["groups"]) == {"+", "-"} and "-" not in options.get("missing", [])
    rare = messy(here, repaid=lambda i: "-" if i % 50 == 0 else ("yes", "no")[i % 2])
    text = release.proposed(rare, label="repaid=yes", group="sex=male,female")
    assert (
        yaml.safe_load(text)["tasks"][0]["options"]["missing"] == ["unknown", "-"]
        or "'-' where it stands alone" in text
    )


def test_groups_that_leave_out_many_rows_are_pointed_out(here):
    text = release.proposed(messy(here, sex=named), label="repaid=yes", group="sex=M,F")
    (line,) = [line for line in text.splitlines() if "in neither group and left out" in line]
    assert "look at" in line and "40 % of the rows" in line and "--group sex=M|Male,F|Female" in line
    few = messy(here, sex=lambda i: "other" if i % 40 == 0 else ("M", "F")[i % 2])
    assert "in neither group and left out" not in release.proposed(few, label="repaid=yes", group="sex=M,F")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("household", True),
        ("customerId", True),
        ("patient_no", True),
        ("ApplicantIncome", False),
        ("customer_age", False),
        ("household_size", False),
        ("members", False),
        ("points", False),
    ],
)
def test_numbers_that_stand_for_persons_keep_their_rows_together(here, name, unit):
    """They were a feature, and rows of one household fell into the pools of both sides."""
    table = messy(here, person=lambda i: f"p{i}")
    lines = table.read_text().splitlines()
    rows = [f"{line};{i // 3 + 1}" for i, line in enumerate(lines[1:])]
    table.write_text("\n".join([f"{lines[0]};{name}", *rows]) + "\n")
    options = yaml.safe_load(release.proposed(table, label="repaid=yes", group="sex=male,female"))["tasks"][0][
        "options"
    ]
    assert options.get("unit") == (name if unit else None)


def test_the_size_of_a_household_is_no_household(here):
    table = messy(here, person=lambda i: f"p{i}", age=lambda i: 1 + i % 6)
    table.write_text(table.read_text().replace("age;", "household;", 1))
    options = yaml.safe_load(release.proposed(table, label="repaid=yes", group="sex=male,female"))["tasks"][0][
        "options"
    ]
    assert "unit" not in options


def test_a_date_is_no_person(here):
    day = lambda i: f"{1 + i % 28:02d}/{1 + i // 28 % 12:02d}/{2000 + i // 336}" if i % 9 else "01/01/2001"  # noqa: E731
    table = messy(here, person=day)
    options = yaml.safe_load(release.proposed(table, label="repaid=yes", group="sex=male,female"))["tasks"][0][
        "options"
    ]
    assert "unit" not in options and "person" in options["drop"]


@pytest.mark.parametrize(
    ("share", "pair"),
    [
        (None, None),
        (0.54, None),
        (0.45, None),
        (0.31, None),
        (0.2, (0.2, 0.5)),
        (0.68, (0.5, 0.68)),
        (0.001, (0.01, 0.5)),
    ],
)
def test_the_own_share_is_asked_about_where_it_is_a_question_of_its_own(share, pair):
    assert release.own_pair(share) == pair


def test_a_config_is_used_again_and_never_overwritten(here, capsys):
    table = audited.put(here, 800, 1.0)
    arguments = ["audit", table.name, "--label", "income=>50K", "--group", "sex=Male,Female", "--rows", "40", "--plan"]
    assert stages.main(arguments) == 0
    said = capsys.readouterr().out
    assert "wrote people-audit.yaml" in said and "no problem" in said and "about" in said and "nothing was run" in said
    before = (here / "people-audit.yaml").read_bytes()
    assert not (here / "results").exists()
    other = ["--model", "logistic", "--output", "second.yaml"]
    assert stages.main([*arguments, *other]) == 0
    assert yaml.safe_load((here / "second.yaml").read_text())["experiment"] == "second-audit", "a folder of its own"
    assert stages.main([*arguments, "--model", "logistic"]) == 2
    refused = capsys.readouterr().err
    assert (
        refused.startswith("popleak: people-audit.yaml: exists and says something else")
        and "--config people-audit.yaml" in refused
    )
    assert (here / "people-audit.yaml").read_bytes() == before
    assert release._kept(stages.parser().parse_args(arguments), None).name == "people-audit.yaml"
    assert "as before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--label", "pay=x", "--group", "gender=a,b"], ["--label: column 'pay' is not in the table", "--group: column 'gender' is not"]),
        (["--label", "income=rich", "--group", "sex=Male,Diverse"], ["has no value 'rich': it has", "has no value 'Diverse': it has"]),
        (["--group", "sex=Male"], ["--group sex=Male: give two groups, COLUMN=VALUE,VALUE"]),
        (["--rows", "many"], ["--rows many: give a number of rows, or auto"]),
        (["--fail-above", "0"], ["--fail-above 0: give an advantage, above 0 and at most 1"]),
        (["--cores", "0"], ["--cores 0: give the number of cores"]),
        (["--model", "mlpp"], ["mlpp"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_a_run(here, capsys, words, said):
    table = audited.put(here, 400, 1.0)
    assert stages.main(["audit", table.name, *words]) == 2
    found = capsys.readouterr().err
    assert found.startswith("popleak: ") and all(one in found for one in said)
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "own.yaml", "--label", "x=1"], "--label: own.yaml says what is audited: change it there"),
        (["--config", "own.yaml", "--access", "weights"], "--access: own.yaml says what is audited"),
        (["--config", "own.yaml", "--rows", "30", "--model", "mlp"], "--model: own.yaml says what is audited"),
        (["audit.json", "--plan"], "--plan: audit.json is a finished audit, which is only read"),
        (["audit.json", "--config", "own.yaml", "--group", "sex=a,b"], "--group: audit.json is a finished audit, which is only read: leave --group --config out"),
    ],
)  # fmt: skip
def test_an_option_that_would_be_ignored_is_refused(here, capsys, words, said):
    """`--config c.yaml --access weights --fail-above 0.1` once passed without a light on weights."""
    (here / "own.yaml").write_text(yaml.safe_dump(audited.config(audited.put(here, 400, 1.0))))
    put(here, GREEN)
    assert stages.main(["audit", *words]) == 2
    assert said in capsys.readouterr().err


def test_the_proposed_steps_are_enough_for_few_rows(here):
    """Batches of 256 gave models of 480 rows twenty steps, in which they learnt nothing."""
    raw = yaml.safe_load(release.proposed(audited.put(here, 800, 1.0), label="income=>50K", group="sex=Male,Female"))
    assert raw["training"]["epochs"] * (400 // raw["training"]["batch"]) >= 100


def test_what_is_proposed_holds_for_its_placebos_too(here):
    """With groups permuted a pool may hold a row less: a third of plain tables were refused by the check of their own proposal."""
    for count in range(1000, 1012):
        table = audited.put(here, count, 1.0, seed=count)
        raw = yaml.safe_load(release.proposed(table, label="income=>50K", group="sex=Male,Female"))
        assert list(check.run(config.load(config.merge(config.read("config.yaml"), raw))))


@pytest.mark.parametrize(("rows", "told"), [("auto", False), ("90", True), ("170", False)])
def test_models_much_smaller_than_the_table_allows_are_a_caution(here, rows, told):
    """With 120 rows a model a light was green that was red with 350."""
    table = audited.put(here, 4000, 1.0)
    raw = yaml.safe_load(release.proposed(table, label="income=>50K", group="sex=Male,Female", rows=rows))
    experiment = config.load(config.merge(config.read("config.yaml"), raw))
    lines = [line for line in check.run(experiment) if "that `rows: auto` gives" in line]
    assert (
        len(lines) == told and len([one for one in build(experiment).cautions if "`rows: auto` gives" in one]) == told
    )


def test_all_problems_of_a_table_are_told_at_once(here, capsys):
    raw = audited.config(audited.put(here, 400, 1.0))
    raw["tasks"][0]["options"] |= {"label": "pay", "drop": ["nme"]}
    (here / "own.yaml").write_text(yaml.safe_dump(raw))
    assert stages.main(["audit", "--config", "own.yaml", "--plan"]) == 2
    said = capsys.readouterr().err
    assert "2 problems" in said and "'pay'" in said and "'nme'" in said
    assert not (here / "results").exists()


def test_a_config_without_an_audit_is_refused(here, capsys):
    (here / "own.yaml").write_text("experiment: own\n")
    assert stages.main(["audit", "--config", "own.yaml"]) == 2
    assert "own.yaml: has no key `audit`" in capsys.readouterr().err
    assert stages.main(["audit"]) == 2
    assert "give a table, or a config with --config" in capsys.readouterr().err


def test_a_defence_that_is_not_run_cannot_be_audited():
    with pytest.raises(
        PopleakError,
        match=r"audit\.defence: 'fusion' is no defence of task 'synthetic-group': choose from none, finetune, fft",
    ):
        config.load(tiny.raw(audit={"defence": "fusion"}))


def test_without_the_key_nothing_is_made_and_nothing_changes():
    plain, asked = tiny.build(), tiny.build(audit={})
    assert plain.advice is None and not plain.steps["advise"] and "audit" not in plain.report.settings.experiment
    assert {step.id for step in plain.all_steps()} - {step.id for step in asked.all_steps()} == {plain.report.id}
    assert asked.advice.settings.margin == 0.1


# ---- the exit status


def entry(light=CLEAR, value=0.02, half=0.05, reason="", shown=False, **more) -> dict:
    interval = {"value": value, "low": value - half, "high": value + half}
    return {
        "key": f"t/mlp/pure-0-1/{light}", "task": "t", "model": "mlp", "protocol": "pure", "ratios": [0.0, 1.0], "groups": ["a", "b"], "access": "scores",
        "light": light, "reason": reason, "shown": shown, "implied_by": "", "material": False, "beyond_placebos": True, "accuracy": interval, "advantage": interval,
        "p_holm": 0.5, "victims": 100, "splits": 5, "placebos": [], "needed_splits": None, "needed_victims": None, "attacks": ["kl"], "strongest": "kl", **more,
    }  # fmt: skip


GREEN = entry()
RED = entry(LEAK, 0.3, 0.1, shown=True)
GREY = entry(OPEN, 0.1, 0.2, reason=WIDE)
LOUD = [{"value": 0.2, "low": 0.15, "high": 0.25}]
QUIET = [{"value": 0.075, "low": 0.055, "high": 0.095}]
ODD = entry(OPEN, 0.04, 0.03, reason=PLACEBO, placebos=LOUD)
FEW_ROWS = {"rows": 40, "key": "t/mlp/pure-0-1/few"}
SMALL = entry(CLEAR, 0.06, 0.03, shown=True)


def put(folder, *lights, name="audit.json", **changes):
    found = {
        "version": 1, "popleak": "0", "experiment": "t", "title": "", "light": audit_file.overall([one["light"] for one in lights]), "sentence": "One.",
        "defence": "none", "margin": 0.1, "level": 0.95, "lights": list(lights), "defences": [], "settings_digest": "", "code_digest": "", "tables": {},
    }  # fmt: skip
    path = folder / name
    path.write_text(json.dumps({**found, **changes}))
    return str(path)


@pytest.mark.parametrize(
    ("lights", "words", "status"),
    [
        ([RED, GREY], [], 0),
        ([GREEN], ["--fail-above", "0.1"], 0),
        ([GREEN], ["--fail-above", "0.07"], 3),
        ([GREEN, RED], ["--fail-above", "0.1"], 3),
        ([GREEN, RED], ["--fail-above", "0.5"], 0),
        ([GREY], ["--fail-above", "0.1"], 3),
        ([GREY], ["--fail-above", "0.35"], 0),
        ([GREY], ["--fail-above", "0.1", "--fail-on", "red"], 0),
        ([GREY, RED], ["--fail-above", "0.1", "--fail-on", "red"], 3),
        ([ODD], ["--fail-above", "0.12"], 3),
        ([ODD], ["--fail-above", "0.5"], 0),
        ([entry(CLEAR, 0.0, 0.04, placebos=QUIET)], ["--fail-above", "0.05"], 3),
        ([entry(CLEAR, 0.0, 0.04, placebos=QUIET)], ["--fail-above", "0.06"], 0),
        ([entry(OPEN, 0.1, 0.2, reason=WIDE, **FEW_ROWS)], ["--fail-above", "0.35"], 3),
        ([entry(LEAK, 0.2, 0.08, shown=True, **FEW_ROWS)], ["--fail-above", "0.3"], 3),
        ([entry(OPEN, 0.0, 0.04, reason=DULL)], ["--fail-above", "0.9"], 3),
        ([entry(LEAK, 0.2, 0.05, shown=True, access="labels", model_constant=0.9)], ["--fail-above", "0.3"], 3),
        ([entry(LEAK, 0.2, 0.05, shown=True, access="scores", model_constant=0.9)], ["--fail-above", "0.3"], 0),
        ([entry(OPEN, 0.0, 0.04, reason=f"{FEW}: 3 models")], ["--fail-above", "0.9"], 3),
        ([SMALL], ["--fail-above", "0.1"], 0),
        ([SMALL], ["--fail-above", "0.08", "--fail-on", "red"], 3),
        ([SMALL], ["--fail-on", "red"], 0),
        ([GREEN], ["--fail-on", "grey"], 0),
        ([GREY], ["--fail-on", "grey"], 3),
        ([RED], ["--fail-on", "red"], 3),
        ([], ["--fail-on", "grey"], 3),
        ([], ["--fail-on", "red"], 0),
    ],
)  # fmt: skip
def test_the_exit_status_of_a_finished_audit(tmp_path, capsys, lights, words, status):
    assert stages.main(["audit", put(tmp_path, *lights), *words]) == status
    said = capsys.readouterr()
    assert all(one["key"] in said.out for one in lights)
    assert bool(said.err) == bool(status)


def test_grey_is_worse_than_green_and_red_than_grey():
    assert [audit_file.overall(words) for words in ([], [CLEAR], [CLEAR, OPEN], [OPEN, LEAK, CLEAR])] == [
        OPEN,
        CLEAR,
        OPEN,
        LEAK,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not an audit.json"),
        ("[]", "version None of audit.json, this popleak reads 1"),
        ('{"version": 2}', "version 2 of audit.json"),
        ('{"version": 1}', "popleak: Field required"),
        ("[" * 100_000, "not an audit.json"),
    ],
)
def test_a_file_that_is_no_audit_is_refused_in_one_line(tmp_path, capsys, text, said):
    path = tmp_path / "audit.json"
    path.write_text(text)
    assert stages.main(["audit", str(path), "--fail-above", "0.1"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert stages.main(["audit", str(tmp_path / "none.json")]) == 2


def test_unknown_fields_and_wrong_words_are_refused(tmp_path, capsys):
    for changes in ({"more": 1}, {"light": "amber"}, {"lights": [{**GREEN, "advantage": 3}]}):
        assert stages.main(["audit", put(tmp_path, GREEN, **changes), "--fail-on", "grey"]) == 2
    assert capsys.readouterr().err.count("run `popleak audit` again") == 3


@pytest.mark.parametrize(
    ("lights", "changes", "said"),
    [
        ([entry(CLEAR, 0.3, 0.1)], {}, "is green, and its interval is not within the margin"),
        ([entry(LEAK, 0.3, 0.1)], {}, "is red, and no leak is shown"),
        ([entry(LEAK, 0.05, 0.1, shown=True)], {}, "its interval holds 0"),
        ([GREEN, RED], {"light": CLEAR}, "its light is green, and its lights say otherwise"),
    ],
)  # fmt: skip
def test_words_that_the_numbers_contradict_are_refused(tmp_path, capsys, lights, changes, said):
    assert stages.main(["audit", put(tmp_path, *lights, **changes), "--fail-on", "red"]) == 2
    error = capsys.readouterr().err
    assert said in error and "changed after it was made" in error and error.count("\n") == 1


# ---- the run


@pytest.mark.dag
def test_from_a_table_to_the_page_in_one_command(tmp_path):
    import runs

    folder = runs.copy(tmp_path / "home")
    table = audited.put(folder, 700, 1.0)
    small = {
        **audited.config(table),
        "population": {"splits": 2, "victims": 4, "shadows": 2},
        "attacks": ["loss"],
        "training": {"epochs": 1},
    }
    small["tasks"][0] |= {"rows": 40, "query_rows": 20, "placebo": 1}
    (folder / "small.yaml").write_text(yaml.safe_dump(small, sort_keys=False))

    def call(*words: str) -> subprocess.CompletedProcess:
        return tiny.command("popleak", "audit", *words, cwd=folder, path=folder / "workflow")

    done = call("--config", "small.yaml", "--cores", "2", "--fail-above", "0.1")
    assert done.returncode == release.FAILED, done.stdout + done.stderr
    page = folder / "results" / "people-audit" / "audit.html"
    assert page.is_file() and f"page: {page.relative_to(folder)}" in done.stdout and "steps (100%) done" in done.stdout
    before = {path: path.stat().st_mtime_ns for path in folder.glob("results/store/*/*")}
    again = call("--config", "small.yaml", "--cores", "2")
    assert again.returncode == 0 and "all files exist" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.glob("results/store/*/*")} == before
    made = page.read_bytes()
    page.unlink()
    runs.snakemake(folder, "--cores", "1", "--configfile", "small.yaml")
    assert page.read_bytes() == made


def test_an_audit_that_is_stopped_says_so_with_a_status_of_its_own(here, monkeypatch, capsys):
    class Stopped:
        def __init__(self, *_, **__):
            self.stdout = self

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda *_: None  # noqa: E731
        wait = lambda self: 0  # noqa: E731

        def __iter__(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(release.subprocess, "Popen", Stopped)
    with pytest.raises(SystemExit) as stopped:
        release._snakemake(here / "config.yaml", 1)
    assert stopped.value.code == 130
    assert "stopped: the same command goes on where it was" in capsys.readouterr().err
