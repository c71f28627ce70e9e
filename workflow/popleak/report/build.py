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
from ..steps.report import PAPER
from ..store import parquet as store
from ..store import seal
from ..store.schema import PERMUTED, SWEPT
from . import findings, paper, placebo, published, sensitivity
from . import tables as table_views
from . import words as report_words
from .template import PAGE, SCRIPT, STYLE

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("models", "leakage", "bounds", "claims")
SECTIONS = (
    ("findings", "Findings"), ("asked", "Question"), ("verdicts", "Verdicts"), ("figures", "Figures"),
    ("tables", "Tables"),
    ("data", "Data"), ("settings", "Settings"),
)  # fmt: skip
BADGES = {
    verdicts.HOLDS: ("holds", "\u2713"), verdicts.FAILS: ("fails", "\u2717"), verdicts.SAME: ("same", "\u2248"),
    verdicts.IDLE: ("unknown", "\u2013"),
}  # fmt: skip


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
) -> Path:
    """Write the report to `output`, its tables (`PAPER`) and the digests of all beside it, and return its path. Equal inputs give equal bytes.

    experiment: the resolved config; tables: paths by table name; figures: (name, path of the PNG), in the order to
    show, its digest beside it; cards: one mapping a dataset, the fields of `Card`; versions: by package; absent: what was
    left out since a raw file is not there, cautions: settings that cannot do what they seem to, and tasks whose draws nearly use up a pool, a line each. Raises PopleakError for a table or figure that is missing or
    damaged, and for tables that are not of one run.
    """
    import jinja2

    missing = [name for name in NEEDED if name not in tables]
    if missing:
        raise PopleakError(f"report: needs the table {missing[0]!r}: pass its path")
    store.agree(tables)
    frames = {name: store.read(tables[name]).to_pandas() for name in (*NEEDED, *PERMUTED, *SWEPT) if name in tables}
    shown = {
        key: value for key, value in experiment.items() if key != "data_dir"
    }  # a folder of one machine decides no result
    name = str(experiment.get("experiment") or "default")
    long = {
        "leakage": table_views.leakage(frames["leakage"]),
        **({"placebo": table_views.placebos(frames["placebo"])} if "placebo" in frames else {}),
        "models": table_views.models(frames["models"]),
        "bounds": table_views.bounds(frames["bounds"]),
    }
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False).from_string(PAGE)
    text = page.render(
        name=name,
        title=str(experiment.get("title") or f"What models give away about their training population: {name}"),
        style=_ours(STYLE),
        script=_ours(SCRIPT),
        sections=SECTIONS,
        findings=_found(frames, float(experiment.get("tau", 0.1))),
        warnings=[
            *_noted("Left out", absent),
            *_noted("Caution", cautions),
            *placebo.warnings(frames),
            *findings.warnings(frames),
        ],
        matrix=findings.matrix(frames["leakage"]),
        asked=findings.asked(experiment, frames),
        claims=_claims(frames["claims"]),
        margin=findings.points(float(experiment.get("margin", verdicts.MARGIN))),
        figures=[_figure(figure, path) for figure, path in figures],
        tables=[*long.values()],
        cards=[_card(card) for card in cards],
        settings=json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False),
        versions=sorted((str(key), str(value)) for key, value in versions.items()),
    )
    output = Path(output)
    written = [output, *(output.with_name(f"{output.stem}.{file}") for file in PAPER)]
    for path, content in zip(written, (text, *paper.files(frames, long).values()), strict=True):
        atomic.write(path, content.encode())
    seal.write_manifest(output.with_suffix(".sha256"), written)
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


def _claims(claims: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    for (claim, statement), part in claims.groupby(["claim", "statement"], sort=False):
        rows = []
        for row in part.sort_values("task", kind="stable").to_dict("records"):
            kind, sign = BADGES.get(row["verdict"], ("unknown", "?"))
            count = "" if row["n"] != row["n"] or row["n"] is None else int(row["n"])
            span = report_words.interval(row["low"], row["high"])
            rows.append({**row, "kind": kind, "sign": sign, "n": count, "interval": span})
        found.append({"id": claim, "statement": statement, "rows": rows})
    return found


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    title = card.get("title") or card.get("name") or "dataset"
    facts = [(str(key).replace("_", " "), _plain(value)) for key, value in card.items() if key != "title"]
    return {"title": str(title), "facts": [(term, text) for term, text in facts if text]}


def _plain(value: Any) -> str:
    """Return a card's value as text: mappings and lists with a line each."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_inline(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        lines = [_inline(one) for one in value]
        return ("\n" if max(map(len, lines), default=0) > 24 else ", ").join(lines)
    return str(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(
            f"{str(key).replace('_', ' ')}: {_inline(one)}" for key, one in value.items() if one is not None
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(_inline(one) for one in value)
    return str(value)
