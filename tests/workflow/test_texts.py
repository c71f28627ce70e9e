"""Biographies from their tables to the report: tasks of two and of 28 classes, and no word of a text in any file of the run."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
import yaml

import biographies
import runs
from popleak.datasets.bias_in_bios import PROFESSIONS

pytestmark = [pytest.mark.dag, pytest.mark.slow]

BIOS = {"dataset": "bias-in-bios", "query_rows": 15}
OWN = {"file": "own.parquet", "dimensions": 12}
CONFIG = {
    "experiment": "texts", "seed": 5, "data_dir": "data",
    "tasks": [
        {**BIOS, "id": "two", "rows": 30, "options": {**OWN, "pronouns": "scrubbed"}},
        {**BIOS, "id": "all", "rows": 200, "options": {**OWN, "professions": "all"}},
    ],
    "worlds": [{"protocol": "pure"}], "models": [{"name": "mlp", "settings": {"widths": [8]}}],
    "defences": ["none", {"name": "fft", "settings": {"eo_weight": 1.0}}], "attacks": ["kl"],
    "population": {"splits": 2, "victims": 2, "shadows": 2}, "training": {"epochs": 2, "batch": 32},
    "figures": ["leakage", "gap"],
}  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder in which the experiment was run, and the biographies."""
    folder = runs.copy(tmp_path_factory.mktemp("texts"))
    columns = biographies.write(folder / "data" / "bias_in_bios" / "own.parquet", rows=5600)
    (folder / "texts.yaml").write_text(yaml.safe_dump(CONFIG))
    said = runs.snakemake(folder, "--cores", "1", "--configfile", "texts.yaml")
    (folder / "said.log").write_text(said)
    return folder, columns["hard_text"]


def outputs(folder: Path) -> list[Path]:
    """Return every file that the run wrote: results with the store, logs, and what Snakemake keeps."""
    code = (folder / "workflow", folder / "data", folder / "profiles")
    return [
        Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if not any(Path(parent).is_relative_to(one) for one in code)
    ]


def test_no_text_and_no_name_leaves_the_loader(ran):
    folder, texts = ran
    names = [biographies.surname(number) for number in range(len(texts))]
    files = outputs(folder)
    assert {"html", "parquet", "csv", "png", "pdf", "log"} <= {path.suffix.lstrip(".") for path in files}
    read = "\n".join(biographies.readable(path) for path in files)
    assert "bias-in-bios" in read and "component 11" in read, "what is looked through is what was written"
    assert not biographies.told_by(read, texts, names)


def test_a_text_in_a_file_would_be_found(ran, tmp_path):
    _, texts = ran
    names = [biographies.surname(number) for number in range(len(texts))]
    path = tmp_path / "x.parquet"
    frame = pd.DataFrame({"feature": [f"word={names[7]}", texts[3][9:]]})
    frame.to_parquet(path)
    found = biographies.told_by(biographies.readable(path), texts, names)
    assert names[7].lower() in found
    assert any(len(one.split()) == 5 for one in found)


def test_28_classes_reach_the_public_tables(ran):
    folder, _ = ran
    models = pd.read_parquet(folder / "results/texts/tables/models.parquet")
    assert set(models["task"]) == {"two", "all"}
    victims = models[(models["task"] == "all") & (models["role"] == "victim")]
    assert victims["accuracy"].between(1 / len(PROFESSIONS), 1).any()
    assert (victims["small_cells"] > 0).all(), "the query rows of 28 classes are few in each cell"
    page = (folder / "results/texts/report.html").read_text(encoding="utf-8")
    assert "Bias in Bios, 28 professions, table own.parquet" in page
    assert "guessed from the pronouns" in page
