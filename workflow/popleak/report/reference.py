"""The reference pages, written from the code: config keys, public tables, plugins. A test keeps them in step."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any, get_args

from pydantic_core import PydanticUndefined

from ..config import entries, experiment, papers
from ..config.messages import inner
from ..core import plugins
from ..core.settings import Settings
from ..steps import STAGES
from ..steps.papers import CHOICES, KINDS, SAID, Claim
from ..steps.report import PAPER
from ..store import schema
from ..store.schema.search import SEARCHED
from . import datasheets, gallery, reruns
from .terms import TERMS
from .words import capital, cell

NOTE = "<!-- written by `make docs` from the code: edit the code -->"


def pages() -> dict[str, str]:
    """Return the pages' texts by file name."""
    return {
        "config.md": _config(),
        "tables.md": _tables(),
        "plugins.md": _plugins(),
        "claims.md": _claims(),
        "caching.md": _caching(),
        "glossary.md": _glossary(),
        "datasets.md": _datasets(),
    }


def _datasets() -> str:
    told = [_wrapped(text) for text in datasheets.INTRODUCTION]
    uses = _wrapped("The terms of permitted and forbidden uses:")
    return "\n\n".join(["# Datasets and their cards", NOTE, *told, uses, datasheets.page()])


def write(folder: Path) -> None:
    """Write the pages into `folder`, and the gallery of the results that lie there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**pages(), gallery.PAGE: gallery.text(folder, NOTE)}.items():
        (folder / name).write_text(text, encoding="utf-8")


def _config() -> str:
    parts = [
        "# Config",
        NOTE,
        _wrapped(
            "`config.yaml` is the default experiment; `--configfile FILE` lays another one over it. Mappings are merged, lists are "
            "replaced. A plugin is given by its name (`kl`) or with settings (`{name: kl, id: kl-vote, settings: {aggregate: vote}}`). A "
            "mistake is refused before any job starts. The same as JSON Schema: `workflow/schemas/config.schema.json`."
        ),
        _wrapped(
            "On Snakemake's command line `--config seed=3` sets a key of the top level, and `--config 'population={splits: 2, "
            'victims: 8}\'` sets keys below one. A number may be written as text there, and in a file: `"8"`, `1e-3`.'
        ),
        _wrapped(
            "A file is UTF-8. Anything that YAML reads as something else than it looks like is refused: a key that appears twice, of which "
            "the last would win; `yes`, `no`, `on` and `off`, which are true and false; `010`, a number to base 8; `1:30`, a number to "
            "base 60; a date. Quote it if it is text. If Snakemake itself cannot read a file (not UTF-8, nested too deeply, a folder), its "
            "own message is long; `popleak plan --configfile FILE` says the same in one line."
        ),
    ]
    for path, model in groups(experiment.Experiment):
        where = ", ".join(f"`{one}`" for one in path)
        parts += [f"## {where}" if path else "## Top level", _first(model), _fields(model)]
    return "\n\n".join(parts) + "\n"


def groups(model: type[Settings]) -> list[tuple[tuple[str, ...], type[Settings]]]:
    """Return every model that a config holds, with the keys that hold it: the top level first, then as they are met."""
    found: dict[type[Settings], list[str]] = {model: []}
    todo = [model]
    while todo:
        for name, field in todo.pop(0).model_fields.items():
            below = inner(field.annotation)
            if below is not None and below not in found:
                todo.append(below)
            if below is not None and name not in found.setdefault(below, []):
                found[below].append(name)
    return [(tuple(names), one) for one, names in found.items()]


def _first(model: type[Settings]) -> str:
    return _wrapped(model.__doc__ or "")


def _wrapped(text: str) -> str:
    """Return a paragraph in lines of at most 120 characters, without a break inside `code`."""
    whole = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    return textwrap.fill(whole, 120, break_long_words=False, break_on_hyphens=False).replace("\0", " ")


def _fields(model: type[Settings]) -> str:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        rows.append(f"| `{name}` | {_type(field)} | {_default(field)} | {cell(field.description or '')} |")
    return "\n".join(rows) if len(rows) > 2 else "No settings."


def _type(field: Any) -> str:
    def name(annotation: Any) -> str:
        found = getattr(annotation, "__name__", None)
        arguments = [one for one in get_args(annotation) if not hasattr(one, "metadata") or get_args(one)]
        if str(annotation).startswith("typing.Literal"):
            return " or ".join(f"`{one}`" for one in arguments)
        if str(annotation).startswith("typing.Annotated"):
            return name(arguments[0])
        if annotation is type(None):
            return "nothing"
        if found in ("tuple", "list"):
            return "list of " + name(arguments[0])
        if found == "dict":
            return "mapping"
        if isinstance(annotation, type):
            words = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
            return words.get(annotation.__name__, annotation.__name__)
        return " or ".join(dict.fromkeys(name(one) for one in arguments))

    limits = [
        f"{sign} {_number(getattr(one, key))}"
        for one in field.metadata
        for key, sign in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
        if hasattr(one, key)
    ]
    return cell(name(field.annotation) + (f", {', '.join(limits)}" if limits else ""))


def _number(limit: float) -> str:
    return f"{limit:,}" if isinstance(limit, int) and limit >= 10_000 else f"{limit:g}"


def _default(field: Any) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required" if field.default_factory is None else "none"
    if isinstance(value, Settings):
        return "see below"
    if isinstance(value, tuple):
        items = [one.name if isinstance(one, entries.Choice) else getattr(one, "protocol", one) for one in value]
        return f"`{items}`".replace("'", "")
    return "" if value is None else f"`{value}`" if value != "" else "empty"


def _tables() -> str:
    listed = "; ".join(
        f"{', '.join(f'`{name}`' for name in names)} only if a task has {what}" for what, names in _on_request().items()
    )
    parts = [
        "# Public tables",
        NOTE,
        _wrapped(
            f"Parquet files in `results/<experiment>/tables/`; {listed}. Read them with any Parquet reader. The key `popleak` of a file's "
            "metadata holds the digests of its inputs and of the code, the versions of the libraries and of Snakemake, and the machine it "
            "was made on: processor, instruction sets, system and C library. The same config on the same machine gives the same bytes. The "
            "commit is not among them: a commit that changes no code would change bytes, and the digest of the code says more. No word in the "
            "tables can be mistaken for a missing value when they are exported to CSV, where a null becomes an empty field."
        ),
        _wrapped(
            "Beside them lie the report's own tables, rounded as it shows them: "
            + ", ".join(f"`{name}`" for name in PAPER)
            + ". Those of `placebo` are there only if it is. The LaTeX files need the packages booktabs and longtable. `leakage.tex` has the best informed "
            "adversary alone and `placebo.tex` the summaries of the permutations; all rows are in the CSV files."
        ),
        _wrapped(
            "`results/<experiment>/config.json` is the resolved config, for `--configfile`. `ro-crate-metadata.json` describes the whole folder "
            "as a research object ([RO-Crate](https://www.researchobject.org/ro-crate/) 1.1, profile Process Run Crate 0.5): every published "
            "file with its SHA-256, the datasets with source and licence, software and its commit, the machine. Its date is that of the "
            "last commit that changed the package, not of the run, and it names nobody, so it too is the same bytes when a run is repeated. "
            "Before you publish the folder, add its author, its publisher and its licence there."
        ),
        _wrapped(
            f"{', '.join(f'`{name}`' for name in SEARCHED)} are made by `popleak pareto` and lie in `results/<experiment>/search/` "
            "([a search](search.md))."
        ),
    ]
    for name, columns in (schema.TABLES | SEARCHED).items():
        rows = [f"| `{column.name}` | {column.type} | {cell(column.about)} |" for column in columns]
        parts += [f"## {name}.parquet", "\n".join(["| column | type | meaning |", "| --- | --- | --- |", *rows])]
    return "\n\n".join(parts) + "\n"


def _on_request() -> dict[str, list[str]]:
    """Return the tables that not every experiment has, by what makes them."""
    found: dict[str, list[str]] = {}
    for name, what in schema.ON_REQUEST.items():
        found.setdefault(what, []).append(name)
    return found


def _plugins() -> str:
    parts = ["# Plugins and their settings", NOTE]
    for kind in plugins.KINDS:
        parts.append(f"## {kind.capitalize()}")
        for name in plugins.names(kind):
            plugin = plugins.load(kind, name)
            parts.append(f"### {name}\n\n{_wrapped(f'{capital(plugin.summary)}.')}")
            facts = {
                "access": "Access",
                "shadow_access": "Access to shadows",
                "control": "No-EO control",
                "labels": "Labels",
                "attributes": "Attributes",
                "protocols": "Protocols",
            }
            for key, label in facts.items():
                value = getattr(plugin, key, None)
                if value:
                    parts.append(f"{label}: {value if isinstance(value, str) else ', '.join(value)}.")
            if kind == "defences" and (said := "; ".join(plugin.declared())):
                parts.append(_wrapped(f"{capital(said)}."))
            if hasattr(plugin, "Settings") and plugin.Settings.model_fields:
                parts.append(_fields(plugin.Settings))
    return "\n\n".join(parts) + "\n"


def _glossary() -> str:
    rows = [f"| **{term}** | {cell(meaning)} |" for term, meaning in TERMS]
    said = "The terms of configs, tables and reports. [Method](method.md) has the definitions in full."
    return "\n\n".join(["# Glossary", NOTE, said, "\n".join(["| term | meaning |", "| --- | --- |", *rows])]) + "\n"


def _caching() -> str:
    parts = [
        "# What is made again",
        NOTE,
        _wrapped(
            "A step's file is named by a digest of the step's settings, its code and the ids of what it reads; of a user's own file, by its "
            "content ([architecture](architecture.md#nothing-stale-nothing-lost)). If the file is there, the step is done. This page says what "
            "a change makes again, and what makes nothing again. Tests hold all of it."
        ),
        "## What makes nothing again",
        _bullets(
            "**Dates.** Raw data copied again, results moved, copied or unpacked with whatever dates, a clock that was set back, `--touch`.",
            "**What Snakemake remembers.** A lost `.snakemake`, a fresh clone beside an old `results`, two clones on one folder.",
            "**Where things are.** Another `data_dir` or `POPLEAK_DATA`, results in another place. A table of your own is known by its content and its "
            "file's name: another spelling of its `path`, or a copy in another folder, makes at most the report again, which shows it.",
            "**Names.** Another `id` of a task, model, defence or attack trains nothing and asks nothing again: tables show it, so it is "
            "measured and judged again.",
            "**Comments and docstrings**, and the version of a library that a step does not compute with: see below.",
        ),
        _wrapped(
            "This holds whatever Snakemake is told to look at (`--rerun-triggers`), with two exceptions. With `input` it runs the job "
            "`dataset` again if the raw files are elsewhere than last time, and with `code` the jobs of a rule whose shell line was spelt "
            "otherwise, with all that was made of their files. They write the same bytes. The profile `default` leaves both out."
        ),
        "## What is made again",
        _bullets(
            "**A file that was deleted**, once a job needs it. All that was made of it is then made again too, since on another machine its "
            "last bits may be others.",
            "**A damaged file** is refused by the job that reads it, in one line that names it. Delete it and repeat the command.",
            "**A step that is forced** (`--forcerun train`), or whose job was killed, with all that was made of its files. If that run is "
            "stopped halfway and the bytes came out otherwise, as on another device, `popleak verify` names the files that were made of the old "
            "ones.",
            "**A published file** (`results/<experiment>/`) that differs from its origin in the store is copied again.",
        ),
        "## Is it all there and whole?",
        _wrapped(
            "`popleak verify --configfile FILE` reads the whole store and computes every digest anew. It names files that are damaged, that lie "
            "under the name of another step or that are not popleak's; tables that were made of other bytes than those that are there; downloads "
            "that are not those that were pinned; and published files that differ from their origin. A digest says that a file is undamaged, "
            "not who made it. `popleak gc` (or `prune`) lists the files that no experiment of the checkout needs, and removes them with `--delete`."
        ),
        "## A key of the config",
        _wrapped(
            "Steps with another id if a key gets another value. A cell of tables names them if not all change; figures change with the tables "
            "that they show, and `advise`, with the key `audit`, with the tables `models`, `scores`, `leakage`, `claims` and `defences`. A change of one task leaves the other tasks' steps as they are, up to the tables, which hold all tasks. Models "
            "whose own settings, rows and seed stay the same are copied and not trained again."
        ),
        _table(
            ["key", *STAGES],
            [
                [f"`{key.partition(',')[0]}`{''.join(key.partition(',')[1:])}", *_reached(kinds)]
                for key, kinds in reruns.KEYS.items()
            ],
        ),
        "## A module",
        _wrapped(
            "Jobs in whose code digest a module of `workflow/popleak` is: all of a stage, or those of the plugins or tables that are named. What "
            "follows from them is made again as well. The file of a plugin or of a table that is in the jobs of that plugin or table alone is "
            "left out here."
        ),
        _table(
            ["modules", *STAGES],
            [
                [_short(names), *(cells[stage] for stage in STAGES)]
                for names, cells in reruns.grouped(
                    {name: cells for name, cells in reruns.by_module().items() if not reruns.own(name, cells)}
                )
            ],
        ),
        "## A library",
        _wrapped("Jobs in whose digest the version of a library is. Other libraries carry numbers as they are."),
        _table(
            ["library", *STAGES],
            [[f"`{name}`", *(cells.get(stage, "") for stage in STAGES)] for name, cells in reruns.by_library().items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(*lines: str) -> str:
    return "\n".join(textwrap.indent(_wrapped(line), "  ").replace("  ", "- ", 1) for line in lines)


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


def _reached(kinds: reruns.Kinds) -> list[str]:
    """Return, for each stage, whether it is among kinds of steps that a change reaches."""
    tables = [name for name in schema.TABLES if f"tables {name}" in kinds]
    figures = {"figures": "x", "figures tables": "of those tables", "figures new": "the new one"}
    special = {
        "tables": "x" if set(tables) == set(reruns.USUAL) else ", ".join(tables),
        "figures": next((said for kind, said in figures.items() if kind in kinds), ""),
    }
    return [special.get(stage, "x" if stage in kinds else "") for stage in STAGES]


def _short(names: list[str]) -> str:
    """Return modules by room."""
    rooms: dict[str, list[str]] = {}
    for name in names:
        room, _, module = name.removeprefix("popleak").removeprefix(".").rpartition(".")
        rooms.setdefault(room, []).append(module or "the package itself")
    return "; ".join(
        f"`{room.replace('.', '/')}`: {', '.join(modules)}" if room else ", ".join(modules)
        for room, modules in rooms.items()
    )


def _claims() -> str:
    parts = [
        "# Claims",
        NOTE,
        _wrapped(
            "The claims of a paper are data: one YAML file a paper, in `workflow/popleak/papers`. An experiment names its paper in the key "
            "`paper`. A file of your own is named by its path, for example `paper: claims/second-paper.yaml`. The public table "
            "[`claims`](tables.md#claimsparquet) has one verdict for each claim and task, or for each claim, task, pair of worlds and "
            "defence. It explains each in a paragraph for readers without statistics. Where a verdict is `cannot tell`, it says how many pool "
            "splits would decide it."
        ),
        _wrapped(
            "A file has a `title`, a `reference` and a list of `claims`. For the report's first screen and its overview it may also have a "
            "`question`, a `statistic` (the attack that decides as the paper does), a list `absent` of what cannot be reproduced (`what`, "
            "`why`), and in each claim a `short` name. A claim has an `id`, a `kind` (below), a `source` (`paper` or "
            f"`ours`), a `statement`, and `plain`: texts by part ({', '.join(f'`{one}`' for one in SAID)}). The first two are always needed. The text "
            "of a verdict is added if there is one. A name in braces, such as `{defence}`, stands for what was found; each kind knows its own "
            "names. `datasets` limits a claim to some datasets. Names of datasets and defences are those of plugins. A mistake is refused in one line "
            "before any job starts."
        ),
        "\n".join(
            [
                "| kind | holds if | needs | names |",
                "| --- | --- | --- | --- |",
                *[
                    f"| `{kind}` | {cell(needs.about)} | {_code(needs.fields) or 'nothing'} | {_code(needs.names)} |"
                    for kind, needs in KINDS.items()
                ],
            ]
        ),
    ]
    for name in papers.names():
        paper = papers.load(name)
        parts += [f"## `{name}`", _wrapped(f"{paper.title} ({paper.reference}).")]
        lines = [
            f"| {one.id} | {one.source} | `{one.kind}` | {cell(one.statement)} | {_values(one)} |"
            for one in paper.claims
        ]
        parts.append(
            "\n".join(["| id | source | kind | statement | with |", "| --- | --- | --- | --- | --- |", *lines])
        )
    return "\n\n".join(parts) + "\n"


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{one}`" for one in names)


def _values(claim: Claim) -> str:
    """Return what a claim states beside its texts."""
    given = {name: getattr(claim, name) for name in ("datasets", *CHOICES)}
    return cell("; ".join(f"{name} {_plainly(value)}" for name, value in given.items() if value not in ((), None)))


def _plainly(value: object) -> str:
    return ", ".join(f"{one}" for one in value) if isinstance(value, tuple) else f"{value:g}"
