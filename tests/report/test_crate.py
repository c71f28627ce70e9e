"""The research object: what `ro-crate-metadata.json` says, and that it says the same each time."""

from __future__ import annotations

import json

import pytest

from popleak.core.provenance import Commit
from popleak.report import crate

CARD = {
    "step": "adult-sex-0123456789ab",
    "settings": {"attribute": "sex"},
    "card": {"title": "Adult", "source": "https://example.org/adult", "licence": "CC BY 4.0", "citation": "Someone", "label": "income"},
    "inputs": {"adult/adult.data": "0123456789abcdef"},
}  # fmt: skip
COMMIT = Commit("f" * 40, "2026-11-21T10:00:00+00:00", False)


def text(**changed):
    told = {
        "experiment": {"experiment": "one", "title": "A title"},
        "files": {"tables/leakage.parquet": "a" * 64, "figures/gap.pdf": "b" * 64, "report.html": "c" * 64, "config.json": "d" * 64},
        "cards": [CARD], "versions": {"popleak": "0.1.0", "numpy": "2.4.6", "python": "3.11.7", "snakemake": "9.27.1"},
        "machine": {"processor": "A Processor", "libc": "glibc 2.36"}, "code": "0123", "commit": COMMIT,
    }  # fmt: skip
    return crate.text(**{**told, **changed})


@pytest.fixture(scope="module")
def graph():
    return {entity["@id"]: entity for entity in json.loads(text())["@graph"]}


def ids(entity, key):
    found = entity[key]
    return [one["@id"] for one in (found if isinstance(found, list) else [found])]


def test_every_reference_leads_somewhere(graph):
    named = {one["@id"] for entity in graph.values() for value in entity.values() for one in listed(value)}
    assert named - graph.keys() == {"https://w3id.org/ro/crate/1.1"}


def listed(value):
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def test_the_root_is_a_process_run_crate_of_rocrate_1_1(graph):
    assert graph["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = graph["./"]
    assert ids(root, "conformsTo") == [crate.PROFILE] and ids(root, "mentions") == ["#run"]
    assert root["name"] == "popleak: A title" and root["description"] and ids(root, "license") == ["#licence"]
    assert ids(root, "hasPart") == ["tables/leakage.parquet", "figures/gap.pdf", "report.html", "config.json"]


def test_the_run_has_its_config_its_data_its_software_and_its_results(graph):
    run = graph["#run"]
    assert run["@type"] == "CreateAction" and ids(run, "instrument") == ["#popleak"]
    assert ids(run, "object") == ["config.json", "#adult-sex-0123456789ab"]
    assert ids(run, "result") == ["tables/leakage.parquet", "figures/gap.pdf", "report.html"]
    assert "A Processor" in run["description"] and "glibc 2.36" in run["description"]
    assert graph["figures/gap.pdf"]["sha256"] == "b" * 64
    data = graph["#adult-sex-0123456789ab"]
    assert (
        "https://example.org/adult" in data["description"]
        and "adult/adult.data 0123456789abcdef" in data["description"]
    )
    assert graph[ids(data, "license")[0]]["name"] == "CC BY 4.0"
    software = graph["#popleak"]
    assert COMMIT.name in software["description"]
    assert [graph[one]["softwareVersion"] for one in ids(software, "softwareRequirements")] == [
        "2.4.6",
        "3.11.7",
        "9.27.1",
    ]


def test_nothing_depends_on_when_it_is_written_and_nobody_is_named(graph):
    assert text() == text()
    assert graph["./"]["datePublished"] == COMMIT.date
    assert not {"agent", "author", "publisher", "endTime", "startTime"} & {
        key for entity in graph.values() for key in entity
    }


def test_without_git_the_date_is_that_of_the_version():
    from popleak import __released__

    found = {entity["@id"]: entity for entity in json.loads(text(commit=None))["@graph"]}
    assert found["./"]["datePublished"] == __released__
    assert "not part of a checkout" in found["#popleak"]["description"]


def test_rocrate_reads_it_back(tmp_path):
    from rocrate.rocrate import ROCrate

    for path in ("tables", "figures"):
        (tmp_path / path).mkdir()
    for path in ("tables/leakage.parquet", "figures/gap.pdf", "report.html", "config.json"):
        (tmp_path / path).write_text("a")
    (tmp_path / "ro-crate-metadata.json").write_text(text(), encoding="utf-8")
    read = ROCrate(tmp_path)
    assert read.root_dataset["name"] == "popleak: A title" and len(read.data_entities) == 4
