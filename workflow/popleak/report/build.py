"""The stage `report`: the public tables, the figures and the data cards in one self-contained HTML page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import atomic, plugins
from ..core.errors import PopleakError
from ..figures import _select as select
from ..measures import verdicts
from ..steps.papers import Paper
from ..store import parquet as store
from ..store import seal
from ..store.schema import PERMUTED, SWEPT
from . import (
    alike,
    findings,
    first,
    generated,
    matrix,
    named,
    parts,
    placebo,
    practice,
    price,
    published,
    reported,
    sensitivity,
    single_rows,
)
from . import cards as data_cards
from . import cautions as data_cautions
from . import paper as paper_files
from . import tables as table_views
from . import words as report_words
from .script import SCRIPT
from .style import STYLE
from .template import PAGE
from .terms import TERMS

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 4
"""Tasks that the table of the answer may have and still stand above the answer in words, which then begins on the first screen."""
NEEDED = ("models", "leakage", "bounds", "claims")
SECTIONS = (
    ("answer", "Answer"), ("method", "Method"), ("verdicts", "Verdicts"), ("findings", "Findings"), ("claims", "Claims"),
    *((place, title) for place, title, *_ in parts.SECTIONS), ("data", "Datasets"), ("absent", "Not reproduced"),
    ("settings", "Settings"), ("provenance", "Provenance"), ("named", "Names"), ("glossary", "Glossary"),
)  # fmt: skip


def write(
    *,
    experiment: Mapping[str, Any],
    tables: Mapping[str, str | Path],
    figures: Sequence[tuple[str, str | Path]],
    cards: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
    output: str | Path,
    absent: Sequence[str] = (),
    cautions: Sequence[str] = (),
    paper: Paper | None = None,
    controls: Mapping[str, Mapping[str, str]] | None = None,
    kinds: Mapping[str, Mapping[str, str]] | None = None,
    downloads: Sequence[str] = (),
    made: Mapping[str, str] | None = None,
    labels: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the report to `output`, its tables (`paper.files`) and the digests of all beside it, and return its path. Equal inputs give equal bytes.

    experiment: the resolved config; tables: paths by table name; figures: (name, path of the PNG), in the order to
    show, its digest beside it; cards: one mapping a file of the stage `dataset`, the fields of `Card` and `cards.MADE`; versions: by package; absent: what was
    left out since a raw file is not there, cautions: settings that cannot do what they seem to, and tasks whose draws nearly use up a pool, a line each;
    paper: whose claims are judged; controls, kinds: by task, the control and the kind of each defence; downloads: files that are published beside the page, by
    their paths from there; made: what made the page, shown as it is; labels: of the cards of all data behind the tables, by digest. Raises PopleakError for a table or figure that is missing or
    damaged, and for tables that are not of one run.
    """
    import jinja2

    frames = _frames(tables)
    long = _long(frames)
    name = str(experiment.get("experiment") or "default")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False).from_string(PAGE)
    pictures = {figure: _figure(figure, path) for figure, path in figures}
    entered = data_cards.entries(cards)
    claims = matrix.claims(frames["claims"], paper, pictures, price.prices(frames["models"]))
    text = page.render(
        name=name,
        title=str(experiment.get("title") or f"What models give away about their training population: {name}"),
        style=_ours(STYLE),
        script=_ours(SCRIPT),
        sections=SECTIONS,
        paper=paper,
        answer=_answer(frames, tables, paper, controls, claims),
        most_rows=MOST_ROWS,
        findings=_found(frames, float(experiment.get("tau", 0.1))),
        warnings=[
            *_noted("Left out", absent),
            *_noted("Caution", cautions),
            *placebo.warnings(frames),
            *data_cautions.warnings(frames),
        ],
        matrix=findings.matrix(frames["leakage"]),
        asked=findings.asked(experiment, frames),
        overview=matrix.overview(claims),
        reported=reported.found(frames, paper, kinds or {}, reported.groups_of(cards)),
        reported_head=reported.HEAD,
        claims=claims,
        margin=findings.points(float(experiment.get("margin", verdicts.MARGIN))),
        pictures=pictures,
        parts=parts.sections(
            [*long.values(), *_defences(frames), *_rows(frames), *generated.shown(frames, alike.tasks(experiment))],
            pictures,
            {claim["figure"] for claim in claims},
            {
                "part-defences": practice.sentences(frames["defences"]) if "defences" in frames else [],
                "part-rows": single_rows.sentences(frames),
                "part-generated": generated.sentences(frames, alike.tasks(experiment)),
            },
        ),
        downloads=parts.downloads(downloads),
        cards=entered,
        **data_cards.shown(labels, entered),
        absent=_absent(paper, absent),
        settings=config_text(experiment),
        versions=sorted((str(key), str(value)) for key, value in versions.items()),
        made=list((made or {}).items()),
        sources=[_source(table, path) for table, path in tables.items()],
        named=named.entries(experiment, frames["leakage"], controls or {}, kinds or {}),
        terms=[(term, report_words.rich(meaning)) for term, meaning in TERMS],
    )
    return _save(Path(output), text, paper_files.files(frames, long))


def _frames(tables: Mapping[str, str | Path]) -> dict[str, pd.DataFrame]:
    """Return the tables that the page is made of, by name."""
    missing = [name for name in NEEDED if name not in tables]
    if missing:
        raise PopleakError(f"report: needs the table {missing[0]!r}: pass its path")
    store.agree(tables)
    return {
        name: store.read(tables[name]).to_pandas()
        for name in (*NEEDED, "defences", *PERMUTED, *SWEPT, *single_rows.NEEDED[:2], *generated.NEEDED)
        if name in tables
    }


def _defences(frames: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the table `defences` as it is shown; none where the run has none."""
    return [table_views.defences(frames["defences"])] if "defences" in frames else []


def _rows(frames: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the table `membership` as it is shown; none where the run has none."""
    return [table_views.rows(frames["membership"])] if "membership" in frames else []


def _long(frames: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Any]]:
    """Return the tables that are shown row by row, by name."""
    placebos = {"placebo": table_views.placebos(frames["placebo"])} if "placebo" in frames else {}
    return {
        "leakage": table_views.leakage(frames["leakage"]),
        **placebos,
        "models": table_views.models(frames["models"]),
        "bounds": table_views.bounds(frames["bounds"]),
    }


def config_text(experiment: Mapping[str, Any]) -> str:
    """Return the config as it is shown and published: JSON that Snakemake takes as a config."""
    # a folder of one machine decides no result
    shown = {key: value for key, value in experiment.items() if key != "data_dir"}
    return json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False)


def _absent(paper: Paper | None, left_out: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is not reproduced, and why: parts of the paper, and what this run left out."""
    of_paper = [(one.what, one.why) for one in paper.absent] if paper else []
    return [*of_paper, *(("Left out of this run", one) for one in left_out)]


def _save(output: Path, page: str, files: Mapping[str, str]) -> Path:
    """Write the page, its tables (`paper.files`) beside it and the digests of all; return the page's path."""
    written = {output: page}
    written |= {output.with_name(f"{output.stem}.{file}"): content for file, content in files.items()}
    for path, content in written.items():
        atomic.write(path, content.encode())
    seal.write_manifest(output.with_suffix(".sha256"), [*written])
    return output


def _found(frames: Mapping[str, pd.DataFrame], tau: float) -> list[str]:
    """Return what was found, a sentence or two each."""
    return [
        *findings.findings(frames, tau=tau, swept="sensitivity" in frames),
        *published.sentences(select.against_half(frames["leakage"])),
        *_settings(frames),
        *_tally(frames["claims"]),
    ]


def _noted(what: str, lines: Iterable[str]) -> list[str]:
    return [f"{what}: {line}." for line in lines]


def _ours(text: str):
    """Mark our own style sheet or script as not to be escaped; nothing of a user's passes here."""
    from markupsafe import Markup

    return Markup(text)


def _figure(name: str, path: str | Path) -> dict[str, str]:
    plugin = plugins.load("figures", name)
    data = seal.check_by(Path(path).with_suffix(".sha256"), path)
    return {
        "name": name,
        "summary": plugin.summary,
        "caption": plugin.caption,
        "data": base64.b64encode(data).decode("ascii"),
    }


def _settings(frames: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return what is said of the settings of fine-tuning, where there are several."""
    return sensitivity.sentences(frames["sensitivity"]) if "sensitivity" in frames else []


def _tally(claims: pd.DataFrame) -> list[str]:
    """Return one sentence that counts the verdicts."""
    counts = claims["verdict"].value_counts().to_dict()
    if not counts:
        return []
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in sorted(counts, key=_order))
    verdicts = report_words.count(len(claims), "verdict")
    return [f"{verdicts} on {report_words.count(claims['claim'].nunique(), 'claim')}: {said}."]


def _order(verdict: str) -> tuple[int, str]:
    known = verdicts.WORDS
    return (known.index(verdict) if verdict in known else len(known), verdict)


def _answer(
    frames: Mapping[str, pd.DataFrame],
    tables: Mapping[str, str | Path],
    paper: Paper | None,
    controls: Mapping[str, Mapping[str, str]] | None,
    claims: Sequence[Mapping[str, Any]],
) -> dict[str, Any] | None:
    """Return what the first screen says, with links to the claims on controls."""
    found = first.answer(
        frames["leakage"],
        statistic=paper.statistic if paper else "",
        controls=controls,
        scores=tables.get("scores"),
        models=frames["models"],
        swept="sensitivity" in frames,
        claims=frames.get("claims"),
    )
    kinds = {claim.id for claim in paper.claims if claim.kind == "less-than-control"} if paper else set()
    places = {
        (by["task"], out["arm"]): out["anchor"]
        for claim in claims
        if claim["id"] in kinds
        for by in claim["tasks"]
        for out in by["outcomes"]
    }
    for row in found["rows"] if found else ():
        row["anchor"] = places.get((row["task"], row["arm"]), "")
    return found


def _source(table: str, path: str | Path) -> dict[str, str]:
    """Return which step made a table, with which code."""
    facts = store.facts(path)
    return {"table": table, "step": str(facts.get("step", "unknown")), "code": str(facts.get("code", "unknown"))}
