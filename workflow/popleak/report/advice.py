"""The stage `advise`: the lights of an audit as a page for a person and as a file for programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..core import atomic
from ..core.errors import PopleakError
from ..core.settings import canonical
from ..figures import _select as select
from ..measures.intervals import Estimate
from ..measures.learnt import Reference
from ..measures.lights import CLEAR, LEAK, OPEN
from ..steps.advise import AdviseStep, Asked
from ..store import parquet as store
from ..store import seal
from . import advised, build, next_steps, practice
from . import audit_file as files
from . import cards as data_cards
from .advice_template import LOOK, PAGE
from .lights import Lit, lights
from .style import STYLE
from .words import capital, facet_name, number, points, rich

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("models", "scores", "leakage", "claims", "defences")
SIGNS = {CLEAR: "\u2713", LEAK: "\u25b2", OPEN: "?"}
"""The shape of each light."""
SECTIONS = (
    ("answer", "Answer"), ("next", "What to do next"), ("who", "Who could do it"), ("defences", "Defences"), ("sure", "How sure"), ("left-out", "Left out"),
    ("claims", "Claims"), ("data", "Data"), ("settings", "Settings"), ("provenance", "Provenance"),
)  # fmt: skip


def write(
    *,
    settings: AdviseStep,
    tables: Mapping[str, str | Path],
    placebos: Sequence[str | Path],
    cards: Sequence[Mapping[str, Any]],
    sizes: Mapping[str, int],
    shares: Mapping[str, float],
    references: Mapping[tuple[str, float, float], Reference],
    made: Mapping[str, str],
    code: str,
    output: str | Path,
) -> Path:
    """Write the page to `output`, `audit.json` and the digests of both beside it (.json, .sha256); return the page's path.

    tables: paths of the public tables by name; placebos: verdicts on the victims of placebos; cards: as for the report; sizes, shares: rows and the share
    of group 1 in each task's records, where they are known; references: what regressions reach, by task and pair of worlds; made: what made the page, shown as it is; code: digest of the code. Raises PopleakError for a table that is missing or damaged, and
    where no light can be made: no attack on answers or weights was run, or the defence was not.
    """
    missing = [name for name in NEEDED if name not in tables]
    if missing:
        raise PopleakError(f"advise: needs the table {missing[0]!r}: pass its path")
    store.agree(tables)
    frames = {name: store.read(tables[name]).to_pandas() for name in NEEDED}
    lit = lights(
        frames["scores"], _placebos(placebos, settings), frames["models"],
        defence=settings.defence, margin=settings.margin, references=settings.references,
        rows={name: one.rows for name, one in settings.tasks.items()}, shares=shares, taught=references,
    )  # fmt: skip
    if not lit:
        raise PopleakError(
            f"advise: no attack judged models under {settings.defence!r} in worlds that differ: add attacks on labels or scores, and worlds of protocol pure or ratio"
        )
    sources = {name: str(store.facts(path).get("step", "unknown")) for name, path in tables.items()}
    first = advised.headlines(lit, settings.tasks, shares)
    warnings = [
        *advised.mind(advised.prices(frames["defences"])),
        *advised.worse(lit),
        *(f"{line}." for line in settings.cautions),
    ]
    found = _file(
        settings, lit, frames, sources, code, sizes=sizes, sentences=[line for _, line in first], warnings=warnings
    )
    page = Path(output)
    written = {
        page: _page(settings, lit, frames, found, cards, sizes, made, sources, first),
        page.with_suffix(".json"): json.dumps(found.resolved(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }
    for path, text in written.items():
        atomic.write(path, text.encode())
    seal.write_manifest(page.with_suffix(".sha256"), [*written])
    return page


def _placebos(paths: Sequence[str | Path], settings: AdviseStep) -> pd.DataFrame:
    """Return the verdicts on placebos' victims, under their tasks, with the number of the permutation."""
    import pandas as pd

    if not paths:
        return pd.DataFrame()
    scores = pd.concat([store.read(path).to_pandas() for path in paths], ignore_index=True)
    whose = scores["task"].map({name: copy.task for name, copy in settings.copies.items()})
    return scores.assign(
        task=whose, permutation=scores["task"].map({name: copy.permutation for name, copy in settings.copies.items()})
    )


def _file(
    settings: AdviseStep,
    lit: Sequence[Lit],
    frames: Mapping[str, pd.DataFrame],
    sources: Mapping[str, str],
    code: str,
    *,
    sizes: Mapping[str, int],
    sentences: Sequence[str],
    warnings: Sequence[str],
) -> files.AuditFile:
    experiment = settings.experiment
    return files.AuditFile(
        version=files.VERSION,
        popleak=__version__,
        experiment=str(experiment.get("experiment", "default")),
        title=str(experiment.get("title", "")),
        light=files.overall([one.light.word for one in lit]),
        sentence=" ".join(sentences),
        trained=advised.trained(lit, settings.tasks, sizes).replace("`", ""),
        defence=settings.defence,
        margin=settings.margin,
        level=0.95,
        warnings=tuple(warnings),
        lights=tuple(_entry(one, settings.tasks[one.task], sizes.get(one.task)) for one in lit),
        defences=tuple(_tried(row) for row in advised.prices(frames["defences"]) if row["defence"] != "none"),
        settings_digest=hashlib.sha256(canonical(_shown(experiment)).encode()).hexdigest(),
        code_digest=code,
        tables=dict(sources),
    )


def _shown(experiment: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(build.config_text(experiment)))


def _known(value: float) -> float | None:
    """Return a number as JSON holds it: null for none."""
    return None if value != value or abs(value) == float("inf") else float(value)


def _interval(value: float, low: float, high: float) -> files.Interval:
    return files.Interval(value=_known(value), low=_known(low), high=_known(high))


def _entry(lit: Lit, asked: Asked, table_rows: int | None) -> files.Entry:
    needed = _known(lit.light.splits)
    return files.Entry(
        key=lit.key,
        task=lit.task,
        model=lit.model,
        protocol=lit.pair.protocol,
        ratios=(lit.pair.ratio_0, lit.pair.ratio_1),
        groups=asked.groups,
        access=lit.access,
        light=lit.light.word,
        reason=lit.light.reason,
        why=advised.reason(lit, asked),
        shown=lit.light.shown,
        implied_by=lit.implied,
        material=lit.light.material,
        beyond_placebos=lit.light.beyond,
        accuracy=_interval(*lit.accuracy[:3]),
        advantage=_interval(*lit.found[:3]),
        p_holm=_known(lit.found.p),
        victims=lit.found.models,
        splits=lit.found.splits,
        placebos=tuple(_interval(*one[:3]) for one in lit.placebos),
        needed_splits=None if needed is None else int(needed),
        needed_victims=None if needed is None else round(advised.victims_for(lit, asked)),
        attacks=lit.attacks,
        strongest=lit.most,
        rows=asked.rows,
        table_rows=table_rows,
        **{f"model_{name}": _known(value) for name, value in _lesson(lit)},
    )


def _lesson(lit: Lit) -> Iterator[tuple[str, float]]:
    """Yield the accuracies that say whether models have learnt, by what their fields are called after."""
    if lit.reference is not None:
        constant, reached, auc = lit.reference
        yield from (
            ("constant", lit.constant),
            ("accuracy", lit.useful),
            ("accuracy_constant", constant),
            ("accuracy_regression", reached),
            ("auc", lit.auc),
            ("auc_regression", auc),
        )


def _tried(row: Mapping[str, Any]) -> files.Tried:
    return files.Tried(
        **{name: str(row[name]) for name in ("task", "model", "protocol", "defence")},
        ratios=(float(row["ratio_0"]), float(row["ratio_1"])),
        best=bool(row["best"]),
        advantage=_interval(
            *(row[name] for name in ("informed_advantage", "informed_advantage_low_all", "informed_advantage_high_all"))
        ),
        certified_advantage=_known(row["certified_advantage"]),
        accuracy_change=_interval(*(row[f"accuracy_vs_none{end}"] for end in ("", "_low", "_high"))),
        delta_eo=_known(row["delta_eo"]),
        seconds=_known(row["seconds_reference"]),
        seconds_base=_known(row["seconds_base"]),
    )


def _page(
    settings: AdviseStep,
    lit: Sequence[Lit],
    frames: Mapping[str, pd.DataFrame],
    found: files.AuditFile,
    cards: Sequence[Mapping[str, Any]],
    sizes: Mapping[str, int],
    made: Mapping[str, str],
    sources: Mapping[str, str],
    first: Sequence[tuple[Lit, str]],
) -> str:
    import jinja2
    from markupsafe import Markup

    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(PAGE)
    asked, defences = settings.tasks, frames["defences"]
    several = len({(one.task, one.model) for one in lit}) > 1
    priced, lit_by = advised.prices(defences), advised.by_task(lit)
    return page.render(
        name=found.experiment,
        title=found.title or f"What a model gives away about its training set: {found.experiment}",
        style=Markup(STYLE + LOOK),
        sections=SECTIONS,
        signs=SIGNS,
        defence=settings.defence,
        headlines=[line for _, line in first],
        trained=rich(advised.trained(lit, asked, sizes)),
        light=found.light,
        tally=advised.tally(lit, settings.margin),
        warnings=found.warnings,
        lights=[_row(one, asked[one.task], settings.margin, several) for one in lit],
        todo=[
            rich(line)
            for line in next_steps.todo(
                lit, asked, defences, defence=settings.defence, sizes=sizes, margin=settings.margin, does=settings.does
            )
        ],
        who=[
            {"title": task if len(lit_by) > 1 else "", "parts": advised.who(some, asked[task])}
            for task, some in lit_by.items()
        ],
        practice=practice.plainly(defences),
        does=[(name, text) for name, text in settings.does.items() if name in set(defences["defence"])],
        prices=[_priced(row, asked[row["task"]], several) for row in priced],
        sure=advised.sure(lit, {task: asked[task] for task in lit_by}),
        left_out=[
            *map(_rows_left_out, filter(_loses, cards)),
            *(f"Left out: {line}." for line in settings.absent),
            *map(rich, settings.untried),
        ],
        claims=frames["claims"].to_dict("records"),
        paper=settings.experiment.get("paper", ""),
        cards=data_cards.entries(cards),
        settings=build.config_text(settings.experiment),
        made=[*made.items(), ("SHA-256 of the settings", found.settings_digest)],
        sources=[{"table": name, "step": step} for name, step in sources.items()],
    )


LOST = {"rows_without_label": "without a label", "rows_in_neither_group": "in neither group"}
"""Rows that no model sees, by what the card calls them."""


def _loses(card: Mapping[str, Any]) -> bool:
    return any(card.get(name) for name in LOST)


def _rows_left_out(card: Mapping[str, Any]) -> str:
    """Return how many rows of a table no model sees, and why."""
    told = [f"{card[name]:,} {what}" for name, what in LOST.items() if card.get(name)]
    if values := card.get("values_in_neither_group"):
        told[-1] += f" ({', '.join(f'{count:,} of {value!r}' for value, count in values.items())})"
    return f"{capital(card['title'])}: {' and '.join(told)}: no model sees these rows, and no light speaks of them."


def _row(lit: Lit, asked: Asked, margin: float, several: bool) -> dict[str, Any]:
    """Return a light as the page shows it; places are on an axis of 240 units for 0 to 100 cases."""
    low, value, high = lit.accuracy.low, lit.accuracy.value, lit.accuracy.high
    short = (
        f"{advised.of_100(value)} ({advised.of_100(low)} to {advised.of_100(high)})"
        if low == low
        else advised.of_100(value)
    )
    return {
        "sides": advised.sides(lit, asked),
        "arm": facet_name(lit._asdict(), True) if several else "",
        "access": advised.seen(lit.access),
        "word": lit.light.word,
        "why": advised.reason(lit, asked),
        "short": short,
        "said": f"right in {short} of 100 cases; guessing is 50",
        "band": (_place(0.5 - margin / 2), f"{240 * margin:.1f}"),
        "span": (_place(low), _place(high)) if low == low else None,
        "point": _place(value),
        "ticks": [_place(_named(one)) for one in lit.placebos],
    }


def _named(placebo: Estimate) -> float:
    return 0.5 + placebo.value / 2


def _place(share: float) -> str:
    return f"{240 * min(max(share, 0.0), 1.0):.1f}"


def _priced(row: Mapping[str, Any], asked: Asked, several: bool) -> dict[str, str]:
    pair = select.Pair(row["protocol"], row["ratio_0"], row["ratio_1"])
    arm = f" ({facet_name(row, True)})" if several else ""
    low, high = row["informed_advantage_low_all"], row["informed_advantage_high_all"]
    limits = f" ({number(float(low), 2)} to {number(float(high), 2)})" if low == low else ""
    change, ends = row["accuracy_vs_none"], [row[f"accuracy_vs_none_{end}"] for end in ("low", "high")]
    around = f" ({points(ends[0], '')} to {points(ends[1], '')})" if ends[0] == ends[0] else ""
    none = row["defence"] == "none"
    return {
        "question": f"{advised.apart(pair, asked)}{arm}",
        "defence": str(row["defence"]) + ("" if row["usable"] else " (of no use: one label for all, or diverged)"),
        "best": "yes" if row["best"] else "",
        "advantage": f"{number(float(row['informed_advantage']), 2)}{limits}",
        "certified": number(float(row["certified_advantage"]), 2)
        if row["certified_advantage"] == row["certified_advantage"]
        else "",
        "accuracy": f"{100 * row['accuracy']:.1f} %"
        if none
        else f"{points(change, '')}{around}"
        if change == change
        else "\u2013",
        "eo": number(float(row["delta_eo"]), 3),
        "seconds": f"{float(row['seconds_base' if none else 'seconds_reference']):.2g}",
    }
