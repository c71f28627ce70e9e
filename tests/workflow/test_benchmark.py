"""The benchmarks, at toy sizes: the ways train the same models, and tables, figures and the page hold what was measured."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import census
import common
import dp_sgd
import edits
import experiment
import growth
import images
import report
import startup
import storage
import ties
import tiny
import training
import ways
from popleak.core.accounting import Seconds
from popleak.core.errors import PopleakError
from popleak.store import parquet as store

pytestmark = pytest.mark.slow

BENCHMARKS = tiny.ROOT / "benchmarks"
TOY = "70x5/8x4/16"  # 70 rows: the last batch of an epoch is smaller


@pytest.fixture
def call(monkeypatch):
    """Run a benchmark's command in this process, its measurements too."""
    monkeypatch.setattr(common, "apart", lambda function, *arguments: function(*arguments))

    def run(module, *words: object) -> None:
        monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *map(str, words)])
        module.main()

    return run


def test_ways_give_equal_weights():
    """In double precision, where rounding does not blur it: same rows, initial weights, batches and updates."""
    shape = ways.Shape.parse(TOY)
    problem = ways.problem(shape, 3, double=True)
    settings = ways.settings(shape, 4)
    weights = {way: ways.train(way, *problem, settings) for way in ways.present()}
    untrained = ways.train("stacked", *problem, ways.settings(shape, 0))
    assert np.abs(weights["careful"] - untrained).max() > 0.01
    for name in set(weights) - {"careful"}:
        assert weights[name].dtype == np.float64
        np.testing.assert_allclose(weights[name], weights["careful"], rtol=0, atol=1e-10, err_msg=name)


def test_training_command(tmp_path):
    """As a user runs it: in processes of its own."""
    path = tmp_path / "training.parquet"
    counts = ["--epochs", "2", "--repeats", "1", "--loop-models", "2", "--stacked-models", "3", "--threads", "1"]
    command = [sys.executable, BENCHMARKS / "training.py", "--shapes", TOY, *counts, "--output", path]
    paths = [str(tiny.ROOT / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    there = ways.present()
    assert done.stdout.count(f"{TOY}, 1 ") == len(there)
    assert ("JAX is not installed" in done.stderr) == (len(there) < len(ways.WAYS))
    table = store.read(path, stage="benchmark")
    assert table.schema.names == training.SCHEMA.names
    frame = table.to_pandas().set_index("way")
    assert frame["models"].to_dict() == {way: 2 if way in ("loader", "careful") else 3 for way in there}
    assert frame["max_weight_difference"].max() < 1e-5
    positive = ["cpu_seconds_per_model", "peak_memory_mb", "share_of_sgemm", "first_round_cpu_seconds"]
    assert (frame[positive] > 0).all(axis=None)
    assert (frame["share_of_sgemm"] < 1).all()
    facts = store.facts(path)
    assert max(facts["max_weight_difference_in_double"][TOY].values()) < 1e-13
    for way, memory in facts["memory_before_mb"][TOY].items():
        held = [memory[name] for name in training.MEMORY]
        assert 20 < held[0] <= held[1] <= held[2] <= frame.loc[way, "peak_memory_mb"] + 0.1


def test_of_the_ways_in_jax_the_better_is_shown():
    rows = [(70, "jax-vmap", [1, 5, 9]), (70, "jax-map", [4, 4, 4]), (70, "stacked", [1, 1, 1]), (80, "jax-vmap", [2, 2, 2]),
            (80, "jax-map", [3, 1, 3]), (90, "careful", [7, 7, 7])]  # fmt: skip
    frame = pd.DataFrame(
        [
            {"rows": count, "features": 5, "widths": (8,), "batch": 16, "way": way, "cpu_seconds_per_model": seconds}
            for count, way, many in rows
            for seconds in many
        ]
    )
    shown = ways.with_better_jax(frame)
    found = shown.groupby(["rows", "way"])["form"].unique().map(list).to_dict()
    assert found == {
        (70, "jax"): ["jax-map"], (70, "stacked"): ["stacked"], (80, "jax"): ["jax-vmap"], (90, "careful"): ["careful"],
    }  # fmt: skip
    assert len(shown) == 4 * 3


def test_flop_of_one_hidden_layer():
    """Per row: x W and v h forward, their weights' gradients, and the hidden layer's; 2 for a multiply-add."""
    assert ways.Shape(7, 5, (3,), 2).flop(epochs=2) == 2 * 7 * (2 * (15 + 3) + 2 * (15 + 3) + 2 * 3)


@pytest.mark.parametrize("text", ["", "70x5", "70x5/8x/16", "70x5/8x4/16/2"])
def test_shape_refuses_other_text(text):
    with pytest.raises(ValueError, match="a shape reads"):
        ways.Shape.parse(text)


def test_each_repeat_begins_with_another_way():
    assert [common.turns("abc", repeat) for repeat in range(4)] == [
        ["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"],
    ]  # fmt: skip


def test_models_keep_their_memory():
    """A module's weights are copied in: a state_dict that held a view of all models would be saved with all of them."""
    import torch

    import loops

    build, _, _ = ways.problem(ways.Shape.parse(TOY), 1)
    model, weights = build(), torch.rand(100, 100)
    loops.put(model, weights[1][: loops.flat(model).size])
    np.testing.assert_array_equal(loops.flat(model), weights[1][: loops.flat(model).size])
    assert all(p.untyped_storage().nbytes() == 4 * p.numel() for p in model.parameters())


def test_storage(call, tmp_path):
    call(storage, "--shape", TOY, "--models", 3, 5, "--repeats", 2, "--output", tmp_path / "storage.parquet")
    frame = store.read(tmp_path / "storage.parquet", stage="benchmark").to_pandas()
    assert len(frame) == 8
    files = frame[frame["way"] == "files"]
    assert (files["files"] == files["models"]).all()
    assert (frame["bytes"] > frame["models"] * frame["parameters"] * 4 * 0.5).all()
    assert (frame[["write_seconds", "read_seconds"]] > 0).all(axis=None)
    assert [path.name for path in tmp_path.iterdir()] == ["storage.parquet"]


def test_storage_refuses_what_does_not_come_back(monkeypatch, tmp_path):
    build, _, _ = ways.problem(ways.Shape.parse(TOY), 1)
    size = storage.loops.flat(build()).size
    write, _ = storage.WAYS["parquet"]
    monkeypatch.setitem(storage.WAYS, "parquet", (write, lambda folder, build: np.zeros((2, size), np.float32)))
    with pytest.raises(ValueError, match="other weights came back"):
        storage.measure("parquet", build, np.ones((2, size), np.float32), tmp_path)


def lines(stage: str, step: str, *numbers: float) -> str:
    parts = zip(("start", "training", "store", "rest"), numbers, strict=True)
    said = ", ".join(f"{name} {wall:.2f} ({wall / 2:.2f})" for name, wall in parts)
    return f"popleak: {stage} {step} took {sum(numbers):.2f} ({sum(numbers) / 2:.2f}) s: {said}\n"


def test_decomposition_of_a_run(tmp_path):
    logs = tmp_path / "results" / "logs"
    for stage, step, numbers, seen in (
        ("train", "a", (1, 5, 1, 1), 9), ("train", "b", (1, 6, 1, 1), 9.5), ("report", "r", (2, 0, 0, 1), None)
    ):  # fmt: skip
        (logs / stage).mkdir(parents=True, exist_ok=True)
        (logs / stage / f"{step}.log").write_text("a warning\n" + lines(stage, step, *numbers), encoding="utf-8")
        if seen:
            (logs / stage / f"{step}.tsv").write_text(f"s\tcpu_time\n{seen}\t1\n", encoding="utf-8")
    frame = experiment.decompose(experiment.jobs(tmp_path), wall=15, cpu=12, cores=2)
    found = frame.set_index(["stage", "part"])
    assert found.loc[("train", "training"), ["jobs", "wall_seconds", "cpu_seconds"]].tolist() == [2, 11, 5.5]
    assert found.loc[("train", "shell"), "wall_seconds"] == pytest.approx(1.5)
    assert found.loc[("report", "rest"), "wall_seconds"] == 1
    assert found.loc[("snakemake", "snakemake"), "wall_seconds"] == pytest.approx(2 * 15 - 20 - 1.5)
    assert found.loc[("snakemake", "snakemake"), "cpu_seconds"] == pytest.approx(12 - 10)
    assert frame["share"].sum() == pytest.approx(1)


def test_a_run_without_accounts_is_refused(tmp_path):
    with pytest.raises(PopleakError, match="no job wrote its account"):
        experiment.jobs(tmp_path)


def test_a_failed_experiment_is_told(tmp_path):
    (tmp_path / "bad.yaml").write_text("seed: many\n", encoding="utf-8")
    (tmp_path / "run").mkdir()
    with pytest.raises(PopleakError, match="seed: input should be a valid integer"):
        experiment.execute(tmp_path / "run", 1, [tmp_path / "bad.yaml"])


def test_experiment_table(call, monkeypatch, tmp_path, capsys):
    """Two worker processes against one, without the runs: these are in the tests of the workflow."""
    monkeypatch.setattr(experiment, "execute", lambda folder, cores, files, cache: (24.0 / cores, 20.0))
    account = {part: Seconds(2.0, 1.0) for part in ("start", "training", "store", "rest")}
    rows = [{"stage": "train", "step": "a", "part": part, "wall_seconds": spent.wall, "cpu_seconds": spent.cpu}
            for part, spent in account.items()]  # fmt: skip
    monkeypatch.setattr(experiment, "jobs", lambda folder: pd.DataFrame(rows))
    monkeypatch.chdir(tiny.ROOT)
    smoke = "workflow/experiments/smoke.yaml"
    call(experiment, "--configfile", smoke, "--cores", 1, 2, "--output", tmp_path / "experiment.parquet")
    assert "smoke: wall of 1 over wall of 2: 2.00" in capsys.readouterr().out
    frame = store.read(tmp_path / "experiment.parquet", stage="benchmark").to_pandas()
    assert frame.groupby("cores")["share"].sum().tolist() == pytest.approx([1, 1])
    assert set(frame["experiment"]) == {"smoke"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Tables of tiny runs of training and growth."""
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common, "apart", lambda function, *arguments: function(*arguments))
        patch.setattr(common, "sgemm_gflops", lambda: 100.0)
        for module, words in (
            (training, f"--shapes {TOY},90x5/8/16 --epochs 1 --repeats 2 --loop-models 2 --stacked-models 3"),
            (growth, "--models 1 2 --rows 60 --width 4 8 --other-models 2 --epochs 1 --repeats 1"),
        ):
            output = folder / f"{module.__name__}.parquet"
            patch.setattr(sys, "argv", [module.__name__, *words.split(), "--output", str(output)])
            module.main()
    return folder


def test_several_threads_are_for_the_engine(tables):
    frame = store.read(tables / "training.parquet", stage="benchmark").to_pandas()
    there = ways.present()
    assert len(frame) == 2 * 2 * (len(there) + 1), "shapes, repeats, ways and threads"
    counts = frame.groupby(["threads", "way"])["models"].unique().map(list).to_dict()
    one = {(1, way): [2] if way in ("loader", "careful") else [3] for way in there}
    assert counts == {**one, (2, "stacked"): [3]}
    assert len(training.variants([2, 1], all_ways=True)) == 2 * len(there)


def test_growth(tables):
    frame = store.read(tables / "growth.parquet", stage="benchmark").to_pandas()
    points = frame[frame["way"] == "stacked"].set_index(["axis", "value"])
    assert points.index.tolist() == [("models", 1), ("models", 2), ("rows", 60), ("width", 4), ("width", 8)]
    assert points["models"].tolist() == [1, 2, 2, 2, 2]
    assert points.loc[("rows", 60), "rows"] == 60
    assert points.loc[("width", 8), "widths"].tolist() == [8, 8]
    assert (frame["peak_memory_mb"] >= frame["memory_before_mb"]).all()


def test_page_is_written_from_the_tables(tables, tmp_path):
    page, folder = tmp_path / "page.md", tmp_path / "kept"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.write(tables, page, folder)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| 70 × 5, (8, 4), 16 | 1 |" in text
    assert text.count("Not measured yet") == 3, "experiment, storage and census were not run"
    frame = pd.read_csv(folder / "training.csv")
    assert set(frame["widths"].astype(str)) == {"8x4", "8"}
    seconds = frame[(frame["way"] == "stacked") & (frame["rows"] == 70) & (frame["threads"] == 1)]
    assert f"{1000 * seconds['cpu_seconds_per_model'].median():.3g} |" in text
    for name in ("training.png", "growth.png", "growth.csv", "block.md"):
        assert (folder / name).stat().st_size > 0
    before = page.read_bytes(), (folder / "training.png").read_bytes()
    report.write(tables, page, folder)
    assert before == (page.read_bytes(), (folder / "training.png").read_bytes())


def test_a_page_without_markers_is_refused(tables, tmp_path):
    (tmp_path / "page.md").write_text("nothing here", encoding="utf-8")
    with pytest.raises(PopleakError, match="lacks the lines"):
        report.write(tables, tmp_path / "page.md", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_block_of_the_page_is_the_committed_one():
    text = (tiny.ROOT / report.PAGE).read_text(encoding="utf-8")
    inside = text.split(report.BEGIN)[1].split(report.END)[0].strip()
    kept = (tiny.ROOT / report.FOLDER / "block.md").read_text(encoding="utf-8").strip()
    pictures = re.findall(r"\]\((\w+\.png)\)", kept)
    assert len(pictures) == 2 and all((tiny.ROOT / report.FOLDER / name).is_file() for name in pictures)
    assert inside == re.sub(r"\]\((\w+\.png)\)", r"](results/benchmarks/\1)", kept)


def test_census(call, tmp_path):
    path = tmp_path / "census.parquet"
    call(census, "--share", 0.004, "--rows-share", 0.01, "--epochs", 2, "--output", path)
    frame = store.read(path, stage="benchmark").to_pandas()
    assert list(frame.columns) == census.SCHEMA.names
    assert set(frame["stage"]) == {"draw", "train victims", "train shadows", "query", "attack"}
    trained = frame[frame["stage"] == "train victims"].iloc[0]
    assert (trained["models"], trained["all_models"]) == (2 * 11, 500 * 11)
    # a hundredth of the rows and a tenth of the epochs of 22 models: 1000 times as long for each, and 250 times as many
    expected = trained["cpu_seconds"] * 1000 * 250 / 3600
    assert trained["estimated_cpu_hours"] == pytest.approx(expected)
    right = store.facts(path)["named_rightly"]
    assert len(right) == 10 and all(0 <= share <= 1 for share in right.values())
    page = report.census(frame, store.facts(path))
    assert "train victims" in page and "5,500" in page


def test_startup_has_a_line_for_each_start(call, capfd, monkeypatch):
    """The last start finds no cache, the one before it finds one."""
    look = "import os, pathlib, sys; sys.stderr.write(str(int(pathlib.Path(os.environ['XDG_CACHE_HOME']).exists())))"
    monkeypatch.setattr(startup, "LOOPS", "import os, pathlib; pathlib.Path(os.environ['XDG_CACHE_HOME']).mkdir()")
    monkeypatch.setattr(
        startup, "CODE", {"Python": "", "loops kept": f"{look}; assert sys.argv", "loops compiled": look}
    )
    call(startup, "--repeats", 2)
    out, err = capfd.readouterr()
    assert err == "1010"
    lines = out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Python", "loops kept", "loops compiled"]
    assert all(line.endswith("CPU s") for line in lines)


def test_images(call, tmp_path, monkeypatch):
    """All ways train the same convolution nets, and the table says what each costs."""
    task = images.Task(images.ConvNet((2, 6, 5), (3, 2)), 40, 16)
    monkeypatch.setattr(images, "TASKS", (task,))
    monkeypatch.setattr(images, "MODELS", dict.fromkeys(images.WAYS, 2))
    path = tmp_path / "images.csv"
    call(images, "--repeats", 1, "--epochs", 2, "--output", path)
    frame = pd.read_csv(path).set_index("way")
    assert tuple(frame.index) == images.present()
    assert frame["difference_double"].max() < 1e-12 and frame["difference_single"].max() < 1e-5
    assert (frame[["cpu_ms", "wall_ms", "first_round_cpu_seconds", "gflops"]] > 0).all(axis=None)
    # 2 for each multiply-add of a row: one layer of 18 x 3 weights at 30 places, one of 27 x 2 at 6, one of 2 weights
    assert task.flop() == 2 * 40 * (2 * 54 * 30 + 3 * 54 * 6 + 3 * 2)


def test_the_page_of_the_images_is_of_the_committed_table():
    text = (tiny.ROOT / images.PAGE).read_text(encoding="utf-8")
    inside = text.split(images.BEGIN)[1].split(images.END)[0].strip()
    assert inside == images.block(pd.read_csv(tiny.ROOT / images.OUTPUT, keep_default_na=False)).strip()


def test_dp_sgd(call, tmp_path, monkeypatch):
    """All ways train the same problem, and the table says what each costs."""
    monkeypatch.setattr(dp_sgd, "MODELS", dict.fromkeys(dp_sgd.WAYS, 1))
    path = tmp_path / "dp_sgd.csv"
    call(dp_sgd, "--repeats", 1, "--epochs", 3, "--output", path)
    frame = pd.read_csv(path).set_index("way")
    assert set(frame.index) == set(dp_sgd.WAYS)
    assert (frame[["cpu_seconds", "wall_seconds", "first_round_cpu_seconds"]] > 0).all(axis=None)
    private = frame["accuracy"].drop("plain")
    assert private.min() > 0.55 and private.max() < frame["accuracy"]["plain"]


def test_the_page_of_dp_sgd_is_of_the_committed_table():
    text = (tiny.ROOT / dp_sgd.PAGE).read_text(encoding="utf-8")
    inside = text.split(dp_sgd.BEGIN)[1].split(dp_sgd.END)[0].strip()
    assert inside == dp_sgd.block(pd.read_csv(tiny.ROOT / dp_sgd.OUTPUT, keep_default_na=False)).strip()


def test_an_edit_re_runs_what_depends_on_it(monkeypatch):
    monkeypatch.setattr(edits, "EDITS", {"a figure": "figures/gap.py", "an attack": "attacks/loss.py"})
    first, figure, attack = edits.rows(tiny.ROOT / "workflow" / "experiments" / "smoke.yaml")
    assert first["jobs"] == sum(first[stage] for stage in edits.STAGES) and first["models"] > 0
    assert figure["figures"] == figure["report"] == 1 and figure["jobs"] == 2
    assert 0 < attack["attack"] < first["attack"] and attack["tables"] > 0 and attack["report"] == 1
    assert not any(attack[stage] for stage in edits.STAGES[: edits.STAGES.index("attack")])
    with pytest.raises(PopleakError, match=r"cannot be planned: .*no-such"):
        list(edits.rows(tiny.ROOT / "no-such.yaml"))


def test_a_decision_of_pooling_is_told_apart_from_rounding(monkeypatch):
    """A tie that one precision breaks otherwise changes a gradient; with the decision told nothing is left of it."""
    shape = (1, 2, 2)
    net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(1, 1))
    x, y = torch.tensor([[1.0, 1.0 + 1e-9, 0.5, -1.0]], dtype=torch.float64), torch.ones(1)
    logits, decided = ties.scored(net.float(), x.float(), shape, None)
    free, other = ties.scored(copy.deepcopy(net).double(), x, shape, None)
    assert [int((one != two).sum()) for one, two in zip(decided, other, strict=True)] == [0, 1]
    assert logits.shape == free.shape == (1,)
    told, same = ties.gradient(copy.deepcopy(net).double(), x, y, shape, decided)
    assert all((one == two).all() for one, two in zip(decided, same, strict=True)) and told.dtype == torch.float64
    rows = list(ties.steps(images.Task(images.ConvNet((1, 6, 6), (2,)), 32, 16), 1, 1))
    assert rows == [], "roundings alone are far below what is told"
    monkeypatch.setattr(ties, "LEAST", 0.0)
    (first, second) = ties.steps(images.Task(images.ConvNet((1, 6, 6), (2,)), 32, 16), 1, 1)
    assert (first["step"], second["step"], first["steps"]) == (1, 2, 2) and first["apart"] < 1e-6 < first["size"]
