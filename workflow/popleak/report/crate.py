"""An experiment's folder as a research object: `ro-crate-metadata.json`, by RO-Crate 1.1 and the profile Process Run Crate 0.5.

It says what made which file of what: the config, the datasets with their source and licence, the software with its commit, the
machine, and every published file with its SHA-256. Nothing volatile is in it. Its date is that of the last commit that changed the
package, not the time of the run, so that a run that is repeated gives the same bytes. Nobody is named in it.

The profile Workflow Run Crate asks for the workflow itself among the files. A copy of the Snakefile would be of no use without
the rules and the package, which the commit names; so it is the profile of a run of a program.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import __released__, __version__
from ..core.provenance import Commit

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
FORMATS = {
    ".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf", ".png": "image/png", ".tex": "application/x-tex",
}  # fmt: skip
CONFIG = "config.json"
SHA256 = {"sha256": "http://schema.org/sha256"}
"""A term that schema.org had no name for when RO-Crate 1.1 fixed its own."""
OPEN = (
    "popleak states no licence for the results of a run: whoever publishes them chooses one, as far as the licences of the datasets "
    "allow. popleak itself is under Apache-2.0."
)


def text(
    *,
    experiment: Mapping[str, Any],
    files: Mapping[str, str],
    cards: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
    machine: Mapping[str, str],
    code: str,
    commit: Commit | None,
) -> str:
    """Return the file as JSON. Equal arguments give equal texts.

    experiment: the resolved config; files: SHA-256 in hex of each published file, `config.json` among them, by its path in the
    experiment's folder; cards: the metadata of the files of the stage `dataset`; versions: of libraries, by package; machine: by
    fact (`core.machine`); code: digest of the code that made the report; commit: the last that changed the package.
    """
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(SHA256)
    name = str(experiment.get("experiment") or "default")
    _root(crate, name, str(experiment.get("title") or ""), commit)
    made = [_file(crate, path, digest) for path, digest in files.items()]
    config, results = [one for one in made if one.id == CONFIG], [one for one in made if one.id != CONFIG]
    read = [_dataset(crate, card) for card in cards]
    action = _add(
        crate, "#run", "CreateAction",
        name=f"Run of the experiment {name}",
        description=f"snakemake --cores all --configfile {CONFIG}; the tables were made on: {_listed(machine)}",
    )  # fmt: skip
    action["instrument"] = _software(crate, versions, code, commit)
    for one in [*config, *read]:
        action.append_to("object", one)
    for one in results:
        action.append_to("result", one)
    crate.root_dataset["mentions"] = action
    return json.dumps(crate.metadata.generate(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _root(crate: ROCrate, name: str, title: str, commit: Commit | None) -> None:
    root = crate.root_dataset
    root["name"] = f"popleak: {title or name}"
    root["description"] = (
        f"Public tables, figures and report of the experiment {name}: what released models give away about their training population."
    )
    root["datePublished"] = commit.date if commit else __released__
    root["license"] = _add(crate, "#licence", "CreativeWork", name="No licence stated", description=OPEN)
    version = PROFILE.rsplit("/", 1)[1]
    root["conformsTo"] = _add(crate, PROFILE, "CreativeWork", name="Process Run Crate", version=version)


def _add(crate: ROCrate, key: str, kind: str, **properties: Any) -> Entity:
    from rocrate.model.contextentity import ContextEntity

    return crate.add(ContextEntity(crate, key, properties={"@type": kind, **properties}))


def _file(crate: ROCrate, path: str, digest: str) -> Entity:
    place = PurePosixPath(path)
    kind = (
        "The resolved config"
        if path == CONFIG
        else {"tables": "Table", "figures": "Figure"}.get(place.parts[0], "Report")
    )
    properties = {"name": f"{kind}: {place.name}", "encodingFormat": FORMATS[place.suffix], "sha256": digest}
    return crate.add_file(dest_path=path, properties=properties)


def _dataset(crate: ROCrate, card: Mapping[str, Any]) -> Entity:
    """Return the entity of a file of the stage `dataset`; its raw files are known by the start of their SHA-256."""
    about, settings = card["card"], card["settings"]
    key = f"#{card['step']}"
    raw = _listed(card["inputs"]) or "none: the records are generated"
    licence = _add(crate, f"{key}-licence", "CreativeWork", name=about["licence"], description=about["licence"])
    entity = _add(
        crate, key, "Dataset",
        name=f"{about['title']}: {about['label']} by {settings.get('attribute')}",
        description=f"Source: {about['source']}. Raw files and the start of their SHA-256: {raw}.",
        citation=about["citation"],
    )  # fmt: skip
    entity["license"] = licence
    return entity


def _software(crate: ROCrate, versions: Mapping[str, str], code: str, commit: Commit | None) -> Entity:
    """Return the entity of popleak, which requires one for each library."""
    state = f"commit {commit}" if commit else "not part of a checkout of git"
    software = _add(
        crate, "#popleak", "SoftwareApplication",
        name="popleak", softwareVersion=__version__, description=f"{state}; digest of the code of the report: {code}",
        license="https://spdx.org/licenses/Apache-2.0",
    )  # fmt: skip
    for library, version in sorted(versions.items()):
        if library != "popleak":
            # a package URL, which names no index: https://github.com/package-url/purl-spec
            name = f"pkg:generic/python@{version}" if library == "python" else f"pkg:pypi/{library}@{version}"
            needed = _add(crate, name, "SoftwareApplication", name=library, softwareVersion=version)
            software.append_to("softwareRequirements", needed)
    return software


def _listed(facts: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(dict(facts).items()))
