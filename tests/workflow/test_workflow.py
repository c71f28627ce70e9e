"""The DAG: the smoke experiment from config to report, what an edit re-runs, and the same bytes whatever the cores."""

from __future__ import annotations

import hashlib
import html
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import experiment
import tiny
import warm
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.store import parquet as store
from popleak.store import seal
from popleak.store.schema import ON_REQUEST
from popleak.store.schema import TABLES as ALL_TABLES
from runs import SMOKE, copy, results, snakemake

pytestmark = pytest.mark.dag
TABLES = [name for name in ALL_TABLES if name not in ON_REQUEST]
COPYING = ("stamp", "publish_")


def dry(folder: Path, *words: str) -> dict[str, int]:
    """Return the number of jobs of each rule that a run would make, but for those that only copy what is made."""
    return jobs(snakemake(folder, "--dry-run", *words))


def jobs(said: str) -> dict[str, int]:
    """Return the same of what a dry run said."""
    if "Nothing to be done" in said:
        return {}
    table = said.split("job ", 1)[1].split("\n\n", 1)[0]
    counts = dict(re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE))
    return {
        rule: int(count)
        for rule, count in counts.items()
        if rule not in ("all", "total") and not rule.startswith(COPYING)
    }


def made(folder: Path, *words: str) -> set[str]:
    """Return the names of the tables, figures and reports that a run would make, as the dry run names them."""
    said = snakemake(folder, "--dry-run", "--workflow-profile", "none", *words)
    outputs = "".join(re.findall(r"output: .*\n", said))
    return set(re.findall(r"store/(?:tables|figures|report)/([a-z]+)-\w+\.(?:parquet|png|html)", outputs))


def table_digests(folder: Path) -> dict[str, str]:
    tables = folder / "results" / "smoke" / "tables"
    return {name: hashlib.sha256((tables / f"{name}.parquet").read_bytes()).hexdigest() for name in TABLES}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A copy in which nothing was run."""
    return copy(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy in which the smoke experiment was run on two cores, every process of it started by Python itself, with what
    Snakemake said and the seconds it took."""
    folder = copy(tmp_path_factory.mktemp("finished"))
    begin = time.monotonic()
    said = snakemake(folder, "--cores", "2", *SMOKE, cold=True)
    return folder, said, time.monotonic() - begin


@pytest.fixture
def tree(finished):
    """The finished copy, whose files `edit` may change; they are put back."""
    folder, saved = finished[0], {}

    def edit(file: str, change):
        path = folder / file
        text = path.read_text(encoding="utf-8")
        saved.setdefault(path, (text, path.stat()))
        changed = change(text) if callable(change) else text + change
        assert changed != text
        path.write_text(changed, encoding="utf-8")

    yield folder, edit
    for path, (text, stat) in saved.items():
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


# Before a run.


def test_default_target_is_the_whole_experiment(fresh):
    assert dry(fresh, "--cores", "1") == {
        "dataset": 2, "split": 2, "draw": 6, "train": 2, "defend": 10, "query": 12, "measure": 2, "attack": 10,
        "tables": 7, "figures": 5, "report": 1,
    }  # fmt: skip


def test_a_page_of_results_is_made_on_request(fresh):
    """The claims of a paper have braces, which Snakemake takes for wildcards where they stand in a rule."""
    assert dry(fresh, "page", "--cores", "1")["page"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--config", "seed=many"), "config: seed: input should be a valid integer"),
        (("--config", "colour=red"), "config: colour: unknown key: allowed here: access, attacks"),
        (("--config", "ratio_mode=equal"), "config: ratio_mode: input should be 'natural' or 'label-balanced'"),
    ],
)
def test_a_bad_config_is_one_line(fresh, words, message):
    said = snakemake(fresh, "--dry-run", "--cores", "1", *words, status=1)
    assert message in said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if "config: " in line]) == 1


def test_a_bad_overlay_is_one_line(fresh, tmp_path):
    (tmp_path / "bad.yaml").write_text("population: {splits: 3, victims: 10}\n")
    said = snakemake(fresh, "--dry-run", "--cores", "1", "--configfile", str(tmp_path / "bad.yaml"), status=1)
    assert "config: population: victims (10) must be a multiple of splits (3): 9 or 12" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("population: {splits: 2, victims: 4}\nseed: 1\nseed: 2\n", "bad.yaml: line 3: the key 'seed' appears twice: keep one"),
        ("title: no\n", "bad.yaml: line 1: YAML reads no as true or false"),
        ("population: {splits: 1, victims: 1:30}\n", "bad.yaml: line 1: YAML reads 1:30 as a number to base 60"),
    ],
)  # fmt: skip
def test_what_snakemake_would_misread_is_refused(fresh, tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    said = snakemake(fresh, "--dry-run", "--configfile", str(tmp_path / "bad.yaml"), status=1)
    assert message in said and "Traceback" not in said


def test_the_usual_config_is_read_as_strictly_as_an_overlay(fresh):
    usual = (fresh / "config.yaml").read_text()
    (fresh / "config.yaml").write_text(f"{usual}\ntau: 0.2\ntau: 0.3\n")
    said = snakemake(fresh, "--dry-run", status=1)
    (fresh / "config.yaml").write_text(usual)
    assert "the key 'tau' appears twice: keep one" in said and "Traceback" not in said


def test_no_home_is_needed(fresh):
    """HOME may be a place that cannot be written, as in a container: the profile leaves Snakemake's cache out of it."""
    environment = os.environ | {"PYTHONPATH": str(fresh / "workflow"), "HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    words = [sys.executable, "-m", "snakemake", "--dry-run", *SMOKE]
    done = subprocess.run(words, cwd=fresh, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_figures_can_be_planned(fresh, tmp_path):
    (tmp_path / "none.yaml").write_text("figures: []\n")
    found = dry(fresh, "--cores", "1", *SMOKE, str(tmp_path / "none.yaml"))
    assert "figures" not in found and found["report"] == 1


@pytest.mark.parametrize("name", ["tables", "ratios"])
def test_real_data_can_be_planned_from_a_clean_clone(fresh, name):
    words = ("--cores", "1", "--configfile", f"workflow/experiments/{name}.yaml")
    said = snakemake(fresh, "--dry-run", "--workflow-profile", "none", *words)
    assert jobs(said)["fetch"] == 5 and "output: results/data/acs_income/2018/csv_pca.zip\n" in said


# The run.


def test_smoke_makes_all_of_it_in_a_minute(finished):
    folder, said, seconds = finished
    assert seconds < 60 or os.getloadavg()[0] > 2, f"{seconds:.0f} s"
    results = folder / "results" / "smoke"
    for name in TABLES:
        assert (results / "tables" / f"{name}.parquet").stat().st_size > 0
    for name in ("leakage", "gap"):
        for kind in ("pdf", "png", "csv"):
            assert (results / "figures" / f"{name}.{kind}").stat().st_size > 0
    assert (results / "report.html").stat().st_size > 10_000
    assert "popleak: done. Report: results/smoke/report.html" in said
    assert not list((folder / "results").rglob("*.partial"))


def test_snakemakes_own_report_holds_every_figure_and_table(finished, tmp_path):
    """`snakemake --report`: each with a caption, a category and labels."""
    folder, archive = finished[0], tmp_path / "all.zip"
    snakemake(folder, *SMOKE, "--report", str(archive))
    with zipfile.ZipFile(archive) as whole:
        held = {name.rpartition("/")[2].split("-")[0] for name in whole.namelist() if "/data/raw/" in name}
        page = whole.read("all/report.html").decode()
    assert held == {*TABLES, "leakage", "gap", "smoke"}
    for kind, names in (("figure", ("leakage", "gap")), ("table", TABLES)):
        for name in names:
            (labels, caption) = re.search(
                rf'"labels": (\{{"{kind}": "{name}"[^}}]*\}}), "size": "[^"]*", "caption": "((?:[^"\\]|\\.)*)"', page
            ).groups()
            assert labels.endswith(('"PNG"}', '"Parquet"}'))
            expected = plugins.load("figures", name).summary if kind == "figure" else f"Public table {name}"
            assert expected.lower() in html.unescape(caption).lower() and "system-message" not in caption
    assert '"labels": {"table": "summary", "format": "tex"}' in page
    for category in ("Figures", "Tables", "Report"):
        assert f'"{category}"' in page


def test_no_path_of_the_machine_is_kept(finished):
    import pyarrow.parquet as pq

    facts = (
        pq.read_schema(finished[0] / "results" / "smoke" / "tables" / "scores.parquet").metadata[b"popleak"].decode()
    )
    assert str(finished[0]) not in facts, "no path of the machine is kept"


def test_a_second_run_does_nothing_and_says_so(finished):
    assert dry(finished[0], "--cores", "2", *SMOKE) == {}
    said = snakemake(finished[0], "--cores", "2", *SMOKE)
    assert "Nothing to be done" in said


def test_same_bytes_on_one_core(finished, smoke):
    """Another folder, another number of cores, another order of jobs: the public tables are the same bytes."""
    assert table_digests(smoke) == table_digests(finished[0])
    assert results(smoke) == results(finished[0]), "figures, the report and what describes the run too"


def test_same_bytes_on_two_threads(finished, tmp_path):
    """Whatever a profile or a site makes of `threads`."""
    folder = copy(tmp_path)
    stages = ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack", "tables")
    words = (
        "--cores",
        "2",
        "--workflow-profile",
        "none",
        "--printshellcmds",
        "--set-threads",
        *(f"{stage}=2" for stage in stages),
    )
    said = snakemake(folder, *words, *SMOKE)
    assert said.count(" --threads 2 ") >= 18 and results(folder) == results(finished[0])


def test_the_folder_describes_itself(finished, tmp_path):
    """Every published file with its digest; and the config beside them makes the same files again."""
    folder = finished[0] / "results" / "smoke"
    graph = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    told = {entity["@id"]: entity["sha256"] for entity in graph if entity["@type"] == "File"}
    there = {
        path: digest
        for path, digest in results(finished[0]).items()
        if path != "ro-crate-metadata.json" and path[0] != "."
    }
    assert told == there and len(told) > 20
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["experiment"] == "smoke" and config["training"]["epochs"] == 2
    assert dry(finished[0], "--cores", "1", "--configfile", "results/smoke/config.json") == {}


def test_tables_say_what_made_them(finished):
    from importlib import metadata

    from popleak.core import machine

    for name in TABLES:
        facts = store.facts(finished[0] / "results" / "smoke" / "tables" / f"{name}.parquet")
        assert facts["machine"] == machine.facts() and facts["snakemake"] == metadata.version("snakemake")
        assert re.fullmatch("[0-9a-f]{16}", facts["code"]) and not any("commit" in key for key in facts)
    page = html.unescape((finished[0] / "results" / "smoke" / "report.html").read_text(encoding="utf-8"))
    assert machine.facts()["processor"] in page and metadata.version("snakemake") in page


def test_two_thousand_flips_are_all_refused(finished, tmp_path):
    """One flipped bit in a file of each kind that a run leaves: none is read with other values, each refusal is one line."""
    folder, rng = finished[0] / "results", random.Random(0)
    files = [path for path in sorted((folder / "store").rglob("*")) if path.is_file() and path.suffix != ".sha256"]
    files += sorted(
        (folder / "smoke" / "tables").glob("*.parquet")
    )  # the other copies are checked by the store's manifest
    stages = {path.parent.name for path in files}
    assert {
        "dataset",
        "split",
        "draw",
        "train",
        "defend",
        "query",
        "measure",
        "attack",
        "tables",
        "figures",
        "report",
    } <= stages
    refused = 0
    for number in range(2000):
        path = files[number % len(files)]
        data = bytearray(path.read_bytes())
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        damaged = tmp_path / "store" / path.parent.name / path.name
        damaged.parent.mkdir(parents=True, exist_ok=True)
        damaged.write_bytes(data)
        with pytest.raises(PopleakError) as error:
            if path.suffix == ".parquet":
                store.read(damaged)
            else:
                shutil.copy(seal.manifest_of(path), damaged.parent)
                seal.check_by(seal.manifest_of(damaged), damaged)
        assert str(damaged) in str(error.value) and "run again" in str(error.value) and "\n" not in str(error.value)
        refused += 1
    assert refused == 2000


def test_each_job_accounts_for_its_time(finished):
    """One line in each log; with what Snakemake's clock and the run's wall time add, nothing is counted twice or lost."""
    folder, said, seconds = finished
    found = experiment.jobs(folder)
    assert found.groupby("stage")["step"].nunique().to_dict() == {
        "dataset": 1, "split": 1, "draw": 3, "train": 1, "defend": 2, "query": 3, "measure": 1, "attack": 2,
        "tables": 7, "figures": 2, "report": 1,
    }  # fmt: skip
    assert said.count(" took ") == 24
    spent = found.groupby(["part", "stage"])["wall_seconds"].sum()
    assert set(spent["training"][spent["training"] > 0].index) == {"train", "defend"}
    assert (spent["start"] > 0).all()
    assert spent.sum() < 2 * seconds
    frame = experiment.decompose(found, seconds, 60.0, 2)
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["wall_seconds"].sum() == pytest.approx(2 * seconds)


def test_a_task_without_its_file_is_left_out_aloud(finished, tmp_path):
    """At both ends of the run and on the page; with the file there, the tables are made anew."""
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder, symlinks=True)
    overlay = folder / "some.yaml"
    smoke = "{dataset: synthetic, rows: 200, query_rows: 100, options: {rows: 4000}}"
    overlay.write_text(
        f"tasks: [{smoke}, {{dataset: acs-income, rows: 200, query_rows: 50, options: {{format: parquet}}}}]\ndata_dir: data\n"
    )
    words = (*SMOKE, str(overlay))
    line = (
        "popleak: left out: acs-income-sex: no file acs_income_2018_us_100k.parquet: put it into <data_dir>/acs_income/"
    )
    said = snakemake(folder, "--cores", "1", *words)
    assert said.count(line) == 2
    assert said.index(line) < said.index("popleak: done.") < said.rindex(line)
    page = (folder / "results" / "smoke" / "report.html").read_text(encoding="utf-8")
    assert "Left out: acs-income-sex: no file acs_income_2018_us_100k.parquet" in page
    (folder / "data" / "acs_income").mkdir(parents=True)
    (folder / "data" / "acs_income" / "acs_income_2018_us_100k.parquet").touch()
    found = dry(folder, *words)
    assert (found["dataset"], found["tables"], found["report"]) == (1, 7, 1)


# What an edit re-runs.

CODE = "\n\nADDED = 1\n"


def test_a_figures_code_re_runs_that_figure_and_the_report(tree):
    folder, edit = tree
    edit("workflow/popleak/figures/gap.py", CODE)
    assert dry(folder, *SMOKE) == {"figures": 1, "report": 1}
    assert made(folder, *SMOKE) == {"gap", "smoke"}


def test_an_attacks_code_re_runs_that_attack_and_what_follows(tree):
    folder, edit = tree
    edit("workflow/popleak/attacks/kl.py", CODE)
    assert dry(folder, *SMOKE) == {"attack": 1, "tables": 5, "figures": 1, "report": 1}
    assert made(folder, *SMOKE) == {"scores", "leakage", "claims", "proxies", "defences", "smoke"}


def test_a_comment_re_runs_nothing(tree):
    folder, edit = tree
    edit("workflow/popleak/engine/fit.py", "\n# a comment\n")
    edit(
        "workflow/popleak/store/parquet.py",
        lambda text: text.replace('"""Parquet in and out', '"""Tables in and out', 1),
    )
    assert dry(folder, *SMOKE) == {}


def test_the_engines_code_trains_again(tree):
    folder, edit = tree
    edit("workflow/popleak/engine/eo.py", CODE)
    found = dry(folder, *SMOKE)
    assert (found["train"], found["defend"], found["query"], found["attack"]) == (1, 2, 3, 2)
    assert "dataset" not in found and "split" not in found and "draw" not in found


def test_an_attacks_setting_re_runs_that_attack(tree):
    folder, edit = tree
    edit(
        "workflow/experiments/smoke.yaml",
        lambda text: text.replace("[loss, kl]", "[loss, {name: kl, settings: {clip: 0.01}}]"),
    )
    assert dry(folder, *SMOKE) == {"attack": 1, "tables": 5, "figures": 1, "report": 1}


def test_another_seed_re_runs_everything(finished):
    assert dry(finished[0], *SMOKE, "--config", "seed=2") == {
        "dataset": 1, "split": 1, "draw": 3, "train": 1, "defend": 2, "query": 3, "measure": 1, "attack": 2,
        "tables": 7, "figures": 2, "report": 1,
    }  # fmt: skip


def test_killed_while_writing_is_resumed(tree):
    """A step's file that is gone is made again, and nothing that does not need it."""
    folder, _ = tree
    path = sorted((folder / "results" / "store" / "attack").glob("*-kl-*.parquet"))[0]
    whole, stat = path.read_bytes(), path.stat()
    path.unlink()
    try:
        found = dry(folder, *SMOKE, "--forcerun", "tables")
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert found["attack"] == 1
    assert not set(found) & {"train", "defend", "query"}


def test_a_truncated_file_is_named_and_refused(finished):
    """The job that reads it fails with one line; nothing is read half. Last of the tests of the finished copy."""
    folder = finished[0]
    attack = sorted((folder / "results" / "store" / "attack").glob("*-kl-*.parquet"))[0].relative_to(folder)
    path = sorted((folder / "results" / "store" / "query").glob("*.victims.parquet"))[0]
    whole, stat = path.read_bytes(), path.stat()
    path.write_bytes(whole[: len(whole) // 2])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    said = snakemake(folder, str(attack), "--force", "--cores", "1", *SMOKE, status=1)
    lines = [line for line in said.splitlines() if "truncated or not Parquet" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"popleak: {path.relative_to(folder)}: truncated")
    assert "Traceback" not in said
    assert not (folder / attack).exists(), "the failed job leaves no result behind"
    path.write_bytes(whole)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    snakemake(folder, str(attack), "--cores", "1", *SMOKE)  # with the file whole again, it goes on
    assert (folder / attack).exists()


# What is there is not trained again.


def test_more_victims_train_the_new_ones_alone(finished, tmp_path):
    folder = copy(tmp_path)
    shutil.copytree(finished[0] / "results" / "store", folder / "results" / "store")
    (folder / "more.yaml").write_text("population: {victims: 40}\n")
    shown = [line.split() for line in planned(folder, *SMOKE[1:], "more.yaml")]
    snakemake(folder, "--cores", "2", "--omit-from", "query", *SMOKE, "more.yaml")
    for stage in ("train", "defend"):
        said = "".join(path.read_text() for path in (folder / "results" / "logs" / stage).glob("*.log"))
        found = re.findall(r"^popleak: re-used (\d+) of (\d+) models from 2 files$", said, re.MULTILINE)
        reused, models = (sum(int(pair[i]) for pair in found) for i in (0, 1))
        (line,) = (line for line in shown if line[0] == stage)
        assert 0 < reused < models and line[3:5] == [str(models - reused), str(reused)]


def planned(folder: Path, *overlays: str) -> list[str]:
    """Return what `popleak plan` says in a copy."""
    words = ("popleak", "plan", "--configfile", *overlays)
    done = tiny.command(*words, cwd=folder, path=folder / "workflow", python=warm.python())
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("reuse", "jobs"), [("true", 0), ("false", 2 + 10)])
def test_the_config_switches_re_use_off_where_models_are_trained(fresh, reuse, jobs):
    words = ("--dry-run", "--printshellcmds", "--workflow-profile", "none")
    said = snakemake(fresh, *words, "--config", f"engine={{reuse: {reuse}}}")
    commands = re.findall(r"python -m popleak (\w+) --step .*", said)
    switched = re.findall(r"python -m popleak (\w+) --step .* --no-reuse ", said)
    assert len(commands) > 12 and len(switched) == jobs and set(switched) <= {"train", "defend"}


# Style of the Snakefiles.


RULES = (
    "dataset", "split", "draw", "train", "defend", "sample", "query", "measure", "attack", "inspect", "tables", "figures", "report", "advise",
    "fetch", "stamp", "publish_tables", "publish_figures", "publish_report", "page", "pareto",
)  # fmt: skip


def test_lint(fresh):
    """One finding for each rule, by choice, and no other: docs/architecture.md says why."""
    environment = os.environ | {"PYTHONPATH": str(fresh / "workflow"), "XDG_CACHE_HOME": str(fresh / ".cache")}
    done = subprocess.run(
        [warm.python(), "-m", "snakemake", "--lint", "--workflow-profile", "none"],
        cwd=fresh, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found, of = [], "none"
    for line in (done.stdout + done.stderr).splitlines():
        if named := re.match(r"Lints for (?:rule|snakefile) (\S+)", line):
            of = named[1]
        elif line.startswith("    * "):
            found.append((of, line.removeprefix("    * ")))
    assert sorted(found) == sorted((rule, "Specify a conda environment or container for each rule.:") for rule in RULES)


def test_the_root_and_the_folder_workflow_give_the_same_jobs(fresh):
    """Of a file that it includes, Snakemake takes no default target: a root that only does that would do nothing, and say nothing."""
    said = [
        re.findall(r"^(\w+) +(\d+)$", snakemake(fresh, "--dry-run", *words), re.MULTILINE)
        for words in ((), ("--snakefile", "workflow/Snakefile"))
    ]
    assert said[0] == said[1] and ("train", "2") in said[0] and ("all", "1") in said[0]


def test_format():
    done = subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow/Snakefile", "workflow/rules"],
        cwd=tiny.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
