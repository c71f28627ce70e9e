"""Stage `report`: combines public tables, figures and the cards of datasets into one page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import atomic, trouble
from ..core.provenance import commit
from ..report import build, crate
from ..report.sources import card_of, dataset_of, made_by
from ..steps.report import ReportStep
from ..store import parquet as store
from ..store import seal


def run(
    *,
    settings: ReportStep,
    tables: Mapping[str, Path],
    figures: Sequence[Path] = (),
    cards: Sequence[Path] = (),
    advice: Sequence[Path] = (),
    output: Path,
    step: str,
    code: str,
) -> None:
    """Write the page. figures: PNGs, in the order of the settings; cards: files of the stage `dataset`; advice: files of the stage
    `advise`, which are published beside the page.

    Raises PopleakError if a table is missing, or if the tables are not from one run.
    """
    sources = {name: store.facts(path) for name, path in tables.items()}
    machine = _machine(sources.values())
    versions = _versions(sources.values())
    labels = store.labels(tables.values())
    datasets = _used([dataset_of(path) for path in cards], labels)
    page = build.write(
        experiment=settings.experiment,
        tables=tables,
        figures=trouble.paired(settings.figures, figures, "figures"),
        absent=settings.absent,
        cautions=settings.cautions,
        cards=[card_of(facts) for facts in datasets],
        versions=versions,
        paper=settings.paper,
        controls=settings.controls,
        kinds=settings.kinds,
        downloads=settings.downloads,
        labels=labels,
        made={**made_by(step, code), **{f"Tables made on: {fact}": value for fact, value in machine.items()}},
        output=output,
    )
    config = build.config_text(settings.experiment) + "\n"
    described = {
        "config.json": config,
        "crate.json": crate.text(
            experiment=settings.experiment,
            files=_published(page, tables, trouble.paired(settings.figures, figures, "figures"), advice, config),
            cards=datasets,
            versions=versions,
            machine=machine,
            code=code,
            commit=commit(),
        ),
    }
    for name, content in described.items():
        atomic.write(_beside(page, name), content.encode())
    whole = [*(page.with_name(file) for file in _digests(page)), *(_beside(page, name) for name in described)]
    seal.write_manifest(page.with_suffix(".sha256"), whole)


def _beside(page: Path, file: str) -> Path:
    """Return the place of a file that is made with the page."""
    return page.with_name(f"{page.stem}.{file}")


def _published(
    page: Path, tables: Mapping[str, Path], figures: Iterable[tuple[str, Path]], advice: Iterable[Path], config: str
) -> dict[str, str]:
    """Return the SHA-256 of all that is published, by its path in the experiment's folder."""
    found = {f"tables/{name}.parquet": seal.file_digest(path) for name, path in tables.items()}
    for name, path in figures:
        for file, digest in _digests(path).items():
            found[f"figures/{name}{Path(file).suffix}"] = digest
    for file, digest in _digests(page).items():
        found["report.html" if file == page.name else f"tables/{file.removeprefix(f'{page.stem}.')}"] = digest
    found |= {f"audit{path.suffix}": seal.file_digest(path) for path in advice}
    return {**found, "config.json": hashlib.sha256(config.encode()).hexdigest()}


def _digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in the manifest beside a page or a figure, by name."""
    lines = path.with_suffix(".sha256").read_text(encoding="utf-8").splitlines()
    return {file: digest for digest, _, file in (line.partition("  ") for line in lines)}


def _machine(tables: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the machine that made the tables; facts in which several differ, each once."""
    found: dict[str, dict[str, None]] = {}
    for facts in tables:
        for name, value in facts.get("machine", {}).items():
            found.setdefault(name, {})[str(value)] = None
    return {name: " | ".join(sorted(values)) for name, values in found.items()}


def _versions(tables: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions of libraries and of Snakemake by which the tables were made."""
    found: dict[str, str] = {}
    for facts in tables:
        found |= {**facts.get("versions", {}), **({"snakemake": facts["snakemake"]} if "snakemake" in facts else {})}
    return found


def _used(datasets: Sequence[dict[str, Any]], labels: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files of the stage `dataset` of which the tables were made: those of no other card."""
    return [facts for facts in datasets if not labels or set(facts.get("cards", ())) & set(labels)]
