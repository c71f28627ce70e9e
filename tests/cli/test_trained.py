"""`popleak audit --trained`: the shadows that are proposed, what is refused before anything is trained, and the verdict after the lights."""

from __future__ import annotations

import json
import pickle
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

import audited
import onnx_bytes
import tiny
from popleak.cli import release, stages
from popleak.config import resolve as config

ASK = ("--label", "income=>50K", "--group", "sex=Male,Female")
FOREST = {"name": "estimator", "settings": {"estimator": "RandomForestClassifier", "params": {"n_estimators": 9}}}


def forest(folder, *, called="age", name="model.skops", without=("sex",)):
    """Save a forest of the columns of people.csv but some. called: what it calls the column age."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from skops import io

    table = pd.read_csv(folder / "people.csv")
    columns, label = table.drop(columns=["income", *without]).rename(columns={"age": called}), table["income"]
    model = make_pipeline(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), RandomForestClassifier(n_estimators=9)
    )
    io.dump(model.fit(columns, label), folder / name)
    return name


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_bytes((tiny.ROOT / "config.yaml").read_bytes())
    audited.put(tmp_path, 800, 1.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *words: str) -> str:
    assert stages.main(["audit", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("popleak: ") and said.count("\n") == 1
    return said


def test_the_shadows_are_trained_as_the_model_was(here):
    assert stages.main(["audit", "people.csv", *ASK, "--trained", forest(here), "--rows", "60", "--plan"]) == 0
    raw = yaml.safe_load((here / "people-audit.yaml").read_text())
    assert raw["models"] == [FOREST] and raw["defences"] == ["none", "scratch", "answer-noise"]
    assert raw["population"]["victims"] < 800


def test_a_model_that_reads_the_group_has_shadows_that_do(here, capsys):
    name = forest(here, without=())
    assert stages.main(["audit", "people.csv", *ASK, "--trained", name, "--rows", "60", "--plan"]) == 0
    assert "caution: " not in capsys.readouterr().out
    raw = yaml.safe_load((here / "people-audit.yaml").read_text())
    assert raw["tasks"][0].pop("attribute_in_features") is True
    (here / "blind.yaml").write_text(yaml.safe_dump(raw))
    assert stages.main(["audit", "--config", "blind.yaml", "--trained", name, "--plan"]) == 0
    assert "caution: model.skops reads the column 'sex', and the audit's models do not" in capsys.readouterr().out


def test_a_config_whose_models_are_others_is_a_caution(here, capsys):
    """The lights were said to be of models that are trained like it."""
    from sklearn.ensemble import RandomForestClassifier
    from skops import io

    name = forest(here)
    assert stages.main(["audit", "people.csv", *ASK, "--rows", "60", "--trained", name, "--plan"]) == 0
    assert "of another kind" not in capsys.readouterr().out
    raw = yaml.safe_load((here / "people-audit.yaml").read_text())
    (here / "other.yaml").write_text(yaml.safe_dump({**raw, "models": ["logistic"]}))
    assert stages.main(["audit", "--config", "other.yaml", "--trained", name, "--plan"]) == 0
    said = capsys.readouterr().out
    assert (
        "caution: the models 'logistic' that were trained are of another kind" in said and "--propose` prints" in said
    )
    table = pd.read_csv(here / "people.csv")[["age", "hours"]]
    own = RandomForestClassifier(n_estimators=3, class_weight={"<=50K": 1.0, ">50K": 2.0})
    io.dump(own.fit(table, pd.read_csv(here / "people.csv")["income"]), here / "own.skops")
    assert stages.main(["audit", "--config", "people-audit.yaml", "--trained", "own.skops", "--plan"]) == 0
    assert "its shadows cannot be trained alike" in capsys.readouterr().out


def test_a_model_of_another_table_is_refused_by_the_plan(here, capsys):
    said = refused(capsys, "people.csv", *ASK, "--rows", "60", "--trained", forest(here, called="years"), "--plan")
    assert (
        "takes 'years', which the table does not have: rename its columns" in said and "age, hours, kind, sex" in said
    )


def test_a_table_whose_lines_end_in_a_separator_has_a_plan(here, capsys):
    name = forest(here)
    head, *lines = (here / "people.csv").read_text().splitlines()
    (here / "people.csv").write_text("\n".join([head, *(f"{line}," for line in lines)]) + "\n")
    assert stages.main(["audit", "people.csv", *ASK, "--rows", "60", "--trained", name, "--plan"]) == 0, (
        capsys.readouterr()
    )


def test_names_of_encoded_features_are_names_of_columns(here, capsys):
    from sklearn.naive_bayes import GaussianNB
    from skops import io

    names = ["age", "age missing", "hours", "kind=w", "kind=x"]
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 5)), columns=names)
    io.dump(GaussianNB().fit(x, np.arange(20) % 2), here / "encoded.skops")
    words = ["people.csv", *ASK, "--rows", "60", "--trained", "encoded.skops", "--plan"]
    assert stages.main(["audit", *words]) == 0, capsys.readouterr().err


def test_classifiers_have_their_own_names(here):
    raw = yaml.safe_load(release.proposed(here / "people.csv", model="GaussianNB", rows="60"))
    assert raw["models"] == [{"name": "estimator", "settings": {"estimator": "GaussianNB"}}]
    config.load(config.merge(config.read("config.yaml"), raw))


def test_a_network_has_the_defences_of_networks(here):
    raw = yaml.safe_load(
        release.proposed(here / "people.csv", model={"name": "mlp", "settings": {"widths": [7]}}, rows="60")
    )
    assert raw["models"] == [{"name": "mlp", "settings": {"widths": [7]}}] and "fft-rehearsal" in raw["defences"]
    config.load(config.merge(config.read("config.yaml"), raw))


def test_what_cannot_be_is_refused_before_a_config_is_written(here, capsys):
    (here / "model.pkl").write_bytes(pickle.dumps({}))
    assert "is not opened" in refused(capsys, "people.csv", *ASK, "--trained", "model.pkl")
    assert "no such file" in refused(capsys, "people.csv", *ASK, "--trained", "none.skops")
    for word, value in (
        ("--ratio", "0.3"),
        ("--takes", "columns"),
        ("--positive", "1"),
        ("--verdict", "v.json"),
        ("--widths", "8"),
    ):
        assert f"{word}: says something of a trained model" in refused(capsys, "people.csv", *ASK, word, value)
    name = forest(here)
    assert "--ratio 2: give the share" in refused(capsys, "people.csv", *ASK, "--trained", name, "--ratio", "2")
    assert "--verdict v.txt" in refused(capsys, "people.csv", *ASK, "--trained", name, "--verdict", "v.txt")
    assert "without weights" in refused(capsys, "people.csv", *ASK, "--trained", name, "--access", "weights")
    assert "popleak score" in refused(capsys, "audit.json", "--trained", name)
    assert not (here / "people-audit.yaml").exists()


def test_a_file_that_says_nothing_of_its_training_needs_a_model(here, capsys):
    (here / "model.onnx").write_bytes(onnx_bytes.logistic(np.ones(3), 0.0))
    assert "with --model" in refused(capsys, "people.csv", *ASK, "--trained", "model.onnx", "--plan")
    words = ["people.csv", *ASK, "--rows", "60", "--trained", "model.onnx", "--model", "logistic", "--plan"]
    assert stages.main(["audit", *words]) == 0
    assert yaml.safe_load((here / "people-audit.yaml").read_text())["models"] == ["logistic"]


@pytest.mark.dag
def test_the_model_is_asked_before_the_training_and_judged_after_it(tmp_path):
    import runs

    folder = runs.copy(tmp_path / "home")
    table = audited.put(folder, 700, 1.0)
    small = {
        **audited.config(table), "models": [FOREST], "defences": ["none"], "attacks": ["loss", "kl"],
        "population": {"splits": 2, "victims": 6, "shadows": 4}, "worlds": [{"protocol": "pure"}],
    }  # fmt: skip
    small["tasks"][0] |= {"rows": 40, "query_rows": 20, "placebo": 0}
    (folder / "small.yaml").write_text(yaml.safe_dump(small, sort_keys=False))

    def call(*words: str) -> subprocess.CompletedProcess:
        return tiny.command(
            "popleak", "audit", "--config", "small.yaml", "--cores", "1", *words, cwd=folder, path=folder / "workflow"
        )

    done = call("--trained", forest(folder, called="years", name="other.skops"))
    assert done.returncode == 2 and "takes 'years', which the table does not have" in done.stderr
    assert not list(folder.glob("results/store/*/models*")) and not list(folder.glob("results/store/train/*"))
    done = call("--trained", forest(folder), "--ratio", "0", "--verdict", "verdict.json", "--fail-above", "0.1")
    assert done.returncode == release.FAILED, done.stdout + done.stderr
    assert "not of this config" not in done.stdout, "the part of the run that the questions need is no failed run"
    assert "takes the columns of the table" in done.stdout and "model.skops: one model gives no accuracy" in done.stdout
    kept = json.loads((folder / "verdict.json").read_text())
    assert kept["own_ratio"] == 0 and [row["attack"] for row in kept["verdicts"]] == ["loss", "kl"]
    assert not any("other settings" in one for one in kept["cautions"])
