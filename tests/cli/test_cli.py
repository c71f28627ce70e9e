"""The command line: what it lists, and mistakes in one line without a traceback."""

from __future__ import annotations

import json
import os

import pytest

import tiny
from popleak.cli import stages, tools
from popleak.core import accounting, plugins
from popleak.core.errors import PopleakError
from popleak.store import parquet as store


def run(*words: str, status: int = 0):
    """Run the command in a fresh interpreter in the root of the checkout; return what it wrote to stdout or stderr."""
    done = tiny.command("popleak", *words)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    if status:
        assert done.stdout == ""
        return done.stderr
    assert done.stderr == ""
    return done.stdout


def in_process(capsys, *words: str) -> tuple[int, str, str]:
    status = stages.main(words)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_list_prints_each_plugin_on_one_line(capsys, kind):
    status, out, err = in_process(capsys, "list", kind)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in lines] == list(plugins.names(kind))
    for line, name in zip(lines, plugins.names(kind)):
        assert line.endswith(plugins.load(kind, name).summary)
        assert len(line.split(maxsplit=1)) == 2, f"{name} has no summary"


def test_list_experiments(capsys, monkeypatch):
    monkeypatch.chdir(tiny.ROOT)
    status, out, _ = in_process(capsys, "list", "experiments")
    assert status == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert names[0] == "default"
    assert {"smoke", "tables"} <= set(names)
    assert all(len(line.split("(")[0].split(maxsplit=1)) == 2 for line in out.splitlines()), "each has a title"


def test_list_of_what_there_is_not(capsys):
    with pytest.raises(SystemExit) as error:
        stages.main(["list", "colours"])
    assert error.value.code == 2
    assert "invalid choice: 'colours'" in capsys.readouterr().err


def test_list_in_a_fresh_interpreter():
    assert "kl" in run("list", "attacks")


def test_schema_is_json():
    assert json.loads(run("schema"))["title"] == "popleak experiment"


def test_plan():
    *lines, last = run("plan", "--configfile", "workflow/experiments/smoke.yaml", "--cores", "3").splitlines()
    lines = [line.split() for line in lines]
    assert lines[0] == ["stage", "jobs", "there", "models", "re-used", "CPU", "disk"]
    assert (last.startswith("about ") and " on 3 cores " in last) or last.startswith("all files exist")
    assert lines[-1][0] == "all"
    found = {words[0]: words[1] for words in lines[1:-1]}
    assert found == {
        "dataset": "1", "split": "1", "draw": "3", "train": "1", "defend": "2", "query": "3", "measure": "1", "attack": "2",
        "tables": "7", "figures": "2", "report": "1",
    }  # fmt: skip


def test_data_of_an_experiment(capsys, monkeypatch):
    monkeypatch.chdir(tiny.ROOT)
    status, out, _ = in_process(capsys, "data", "--configfile", "workflow/experiments/smoke.yaml")
    assert (status, out.split()) == (0, ["synthetic", "generated", "-"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: many", "popleak: config: seed: input should be a valid integer"),
        ("tasks: [{dataset: adlut}]", "popleak: config: tasks.0.dataset: 'adlut' is unknown"),
        ("colour: red", "popleak: config: colour: unknown key"),
        ("tasks: [", "not valid YAML"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    said = run("plan", "--configfile", str(tmp_path / "bad.yaml"), status=2)
    assert message in said
    assert said.count("\n") == 1


def test_outside_a_checkout(tmp_path):
    """The default experiment of the package, with a config.yaml over it that lies in the folder."""
    known = [line.split()[0] for line in run("list", "experiments").splitlines()]
    for words, first in ((("plan",), "stage"), (("list", "experiments"), "default"), (("data",), "synthetic")):
        done = tiny.command("popleak", *words, cwd=tmp_path)
        assert done.returncode == 0 and done.stdout.startswith(first), done.stderr
    (tmp_path / "config.yaml").write_text("experiment: own\nseed: many\n")
    said = tiny.command("popleak", "list", "experiments", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in said] == ["own", *known[1:]]
    done = tiny.command("popleak", "plan", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("popleak: config: seed: ") and done.stderr.count("\n") == 1


def test_a_stage_without_its_input(tmp_path):
    step = next(iter(tiny.build().steps["split"].values()))
    said = run(
        "split", "--step", "x", "--settings", step.params, "--data", str(tmp_path / "none.parquet"),
        "--output", str(tmp_path / "out.parquet"), status=2,
    )  # fmt: skip
    assert said.count("\n") == 1
    assert f"{tmp_path / 'none.parquet'}: no such file" in said
    assert not (tmp_path / "out.parquet").exists()


def test_a_stage_by_hand(tmp_path, capsys):
    """The stages dataset and split as their rules call them."""
    built = tiny.build()
    data, pools = (next(iter(built.steps[stage].values())) for stage in ("dataset", "split"))
    for step, words in ((data, []), (pools, ["--data", str(tmp_path / "data.parquet")])):
        output = tmp_path / ("data.parquet" if step is data else "pools.parquet")
        common = ["--step", step.id, "--settings", step.params, "--code", step.code, "--output", str(output)]
        status, out, err = in_process(capsys, step.stage, *common, *words)
        assert (status, out) == (0, "")
        assert [(line.stage, line.step) for line in accounting.parse(err)] == [(step.stage, step.id)]
        assert err.count("\n") == 1, "one line in the log: what the job took"
        found = store.facts(output)
        assert (found["stage"], found["step"], found["code"]) == (step.stage, step.id, step.code)
        assert found["settings"] == json.loads(step.params)


def test_threads_are_set_before_anything_heavy(capsys, monkeypatch):
    for name in stages.THREAD_VARIABLES:
        monkeypatch.setenv(name, "8")
    in_process(capsys, "list", "models")
    assert {os.environ[name] for name in stages.THREAD_VARIABLES} == {"1"}


def test_the_command_line_imports_nothing_heavy():
    (code,) = (
        "import sys; from popleak import cli; cli.main(['list', 'attacks']); "
        "sys.exit(bool({'torch', 'pandas', 'matplotlib', 'pyarrow', 'scipy'} & set(sys.modules)))",
    )
    import subprocess
    import sys

    environment = os.environ | {"PYTHONPATH": str(tiny.ROOT / "workflow")}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False).returncode == 0
    )


def test_errors_other_than_ours_are_not_hidden(monkeypatch):
    def broken(arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(tools, "_schema", broken)
    with pytest.raises(ZeroDivisionError):
        stages.main(["schema"])


def test_our_errors_are_one_line_and_status_two(monkeypatch, capsys):
    def refuse(arguments):
        raise PopleakError("this: is wrong: do that")

    monkeypatch.setattr(tools, "_schema", refuse)
    assert in_process(capsys, "schema") == (2, "", "popleak: this: is wrong: do that\n")
