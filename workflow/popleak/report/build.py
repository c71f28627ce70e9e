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
from ..store import schema, seal
from ..store.schema import PERMUTED, SWEPT
from . import findings, first, matrix, parts, placebo, published, sensitivity
from . import words as report_words
from .script import SCRIPT
from .style import STYLE
from .template import PAGE
from .terms import TERMS

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("models", "leakage", "bounds", "claims")
SECTIONS = (
    ("answer", "Answer"), ("method", "Method"), ("verdicts", "Verdicts"), ("findings", "Findings"), ("claims", "Claims"),
    *((place, title) for place, title, *_ in parts.SECTIONS), ("data", "Datasets"), ("absent", "Not reproduced"),
    ("settings", "Settings"), ("provenance", "Provenance"), ("glossary", "Glossary"),
)  # fmt: skip
FORMS = ("literal", "corrected", "balanced", "coupling")
WHERE = [*select.FACET, *select.PAIR, "poison", "defence"]


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
    downloads: Sequence[str] = (),
    made: Mapping[str, str] | None = None,
) -> Path:
    """Write the report to `output`, its digest beside it, and return its path. Equal inputs give equal bytes.

    experiment: the resolved config; tables: paths by table name; figures: (name, path of the PNG), in the order to
    show, its digest beside it; cards: one mapping a dataset, the fields of `Card`; versions: by package; absent: what was
    left out since a raw file is not there, cautions: settings that cannot do what they seem to, and tasks whose draws nearly use up a pool, a line each;
    paper: whose claims are judged; controls: by task, the control of each defence; downloads: files that are published beside the page, by
    their paths from there; made: what made the page, shown as it is. Raises PopleakError for a table or figure that is missing or
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
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False).from_string(PAGE)
    pictures = {figure: _figure(figure, path) for figure, path in figures}
    claims = matrix.claims(frames["claims"], paper, pictures)
    shown_tables = [
        _leakage(frames["leakage"]),
        *([_placebos(frames["placebo"])] if "placebo" in frames else []),
        _models(frames["models"]),
        _bounds(frames["bounds"]),
    ]
    text = page.render(
        name=name,
        title=str(experiment.get("title") or f"What models give away about their training population: {name}"),
        style=_ours(STYLE),
        script=_ours(SCRIPT),
        sections=SECTIONS,
        paper=paper,
        answer=_answer(frames, tables, paper, controls, claims),
        findings=_found(frames, float(experiment.get("tau", 0.1))),
        warnings=[
            *_noted("Left out", absent),
            *_noted("Caution", cautions),
            *placebo.warnings(frames),
            *findings.warnings(frames),
        ],
        matrix=findings.matrix(frames["leakage"]),
        asked=findings.asked(experiment, frames),
        overview=matrix.overview(claims),
        claims=claims,
        margin=findings.points(float(experiment.get("margin", verdicts.MARGIN))),
        pictures=pictures,
        parts=parts.sections(shown_tables, pictures, {claim["figure"] for claim in claims}),
        downloads=parts.downloads(downloads),
        cards=[_card(card) for card in cards],
        absent=[
            *((one.what, one.why) for one in (paper.absent if paper else ())),
            *(("Left out of this run", one) for one in absent),
        ],
        settings=json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False),
        versions=sorted((str(key), str(value)) for key, value in versions.items()),
        made=list((made or {}).items()),
        sources=[_source(table, path) for table, path in tables.items()],
        terms=[(term, report_words.rich(meaning)) for term, meaning in TERMS],
    )
    output = Path(output)
    atomic.write(output, text.encode())
    seal.write_manifest(output.with_suffix(".sha256"), [output])
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
        swept="sensitivity" in frames,
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


def _column(title: str, about: str = "", *, filtered: bool = False, start: str = "") -> dict[str, Any]:
    return {"title": title, "about": about, "filter": filtered, "start": start}


def _word(text: object) -> dict[str, Any]:
    return {"text": str(text), "sort": None}


def _said(verdict: object) -> dict[str, Any]:
    """Return a verdict of the table `leakage`; `below` chance must not be read as safe."""
    return _word(
        "\u2013" if not isinstance(verdict, str) else "below: reversed" if verdict == verdicts.BELOW else verdict
    )


def _cell(text: str, value: Any) -> dict[str, Any]:
    return {"text": text, "sort": "" if value is None or value != value else f"{float(value):.10g}"}


def _value(row: Mapping[str, Any], name: str, digits: int = 3) -> dict[str, Any]:
    """Return a number; with its interval where the row has one."""
    value = row[name]
    text = report_words.number(value, digits)
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if low is not None and low == low:
        text += f" [{low:.{digits}f}, {high:.{digits}f}]"
    return _cell(text, value)


def _keys(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    pair = select.Pair(row["protocol"], row["ratio_0"], row["ratio_1"])
    poison = _cell(f"{row['poison']:g}", row["poison"])
    return [_word(row["task"]), _word(row["model"]), _word(pair.label), poison, _word(row["defence"])]


def _key_columns() -> list[dict[str, Any]]:
    about = {column.name: column.about for column in schema.LEAKAGE}
    return [
        _column("task", about["task"], filtered=True),
        _column("model", about["model"], filtered=True),
        _column("worlds", "protocol; P(a = 1) in world 0 and in world 1", filtered=True),
        _column("poison", about["poison"], filtered=True),
        _column("defence", about["defence"], filtered=True),
    ]


def _table(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table without those columns that say one thing in every row: model, poison, shadows, asked."""
    titles = [column["title"] for column in table["columns"]]
    constant = {
        place for place, title in enumerate(titles)
        if title in ("model", "poison", "shadows", "asked") and len({row[place]["text"] for row in table["rows"]}) < 2
    }  # fmt: skip
    columns, *rows = (
        [cell for place, cell in enumerate(cells) if place not in constant]
        for cells in (table["columns"], *table["rows"])
    )
    return {**table, "columns": columns, "rows": rows}


def _sorted(rows: Iterable[Mapping[str, Any]], more: Iterable[str] = ()) -> list[Mapping[str, Any]]:
    """Return the rows in the order of the figures."""

    def key(row: Mapping[str, Any]) -> tuple:
        pair = select.Pair(row["protocol"], row["ratio_0"], row["ratio_1"])
        last = (findings.ranks(row[name]) if name == "adversary" else row[name] for name in more)
        return row["task"], row["model"], pair.rank, row["poison"], findings.ranks(row["defence"]), *last

    return sorted(rows, key=key)


LEAKAGE_NUMBERS = {
    "accuracy": "accuracy", "advantage": "advantage", "auc": "AUC", "tpr_at_fpr_05": "TPR at 5 %",
    "tpr_at_fpr_01": "TPR at 1 %",
    "difference_vs_control": "vs control", "p_vs_control_holm": "p vs control", "p_equal_vs_control_holm": "p equal to control",
    "p_vs_none_holm": "p vs none", "p_equal_vs_none_holm": "p equal to none",
    "n_leaked": "n leaked",
    "detectable_advantage": "detectable", "abstained": "abstained", "known_ceiling": "ceiling", "victims": "victims",
    "diverged": "diverged",
}  # fmt: skip
LEAKAGE_WORDS = {
    "against_chance": "against chance",
    "verdict_vs_control": "than control",
    "verdict_vs_none": "than none",
    "family": "tests",
}


def _known(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the plain value where an axis is null, so that rows can be grouped and sorted by it."""
    frame = frame.assign(poison=frame["poison"].fillna(0.0))
    if "repeats" in frame:
        frame = frame.assign(
            repeats=frame["repeats"].fillna(1), shadow_model=frame["shadow_model"].fillna(frame["model"])
        )
    return frame


def _leakage(frame: pd.DataFrame) -> dict[str, Any]:
    about = {column.name: column.about for column in schema.LEAKAGE}
    columns = [
        *_key_columns(),
        _column("adversary", about["adversary"], filtered=True, start="best"),
        _column("access", about["access"], filtered=True),
        _column("knowledge", about["knowledge"], filtered=True),
        _column("shadows", about["shadow_model"], filtered=True),
        _column("asked", about["repeats"], filtered=True),
        *(_column(title, about[name], filtered=True) for name, title in LEAKAGE_WORDS.items()),
        *(_column(title, about[name]) for name, title in LEAKAGE_NUMBERS.items()),
    ]
    rows = [
        [
            *_keys(row),
            *(_word(row[name]) for name in ("adversary", "access", "knowledge")),
            _word("the victim's" if row["shadow_model"] == row["model"] else row["shadow_model"]),
            _cell(f"{row['repeats']:g}", row["repeats"]),
            *(_said(row[name]) for name in LEAKAGE_WORDS),
            *(_value(row, name) for name in LEAKAGE_NUMBERS),
        ]
        for row in _sorted(_known(frame).to_dict("records"), ("adversary", "knowledge", "shadow_model", "repeats"))
    ]
    note = (
        "A row for each task, pair of worlds, defence, adversary and knowledge (and for each poisoned share, architecture of the shadows "
        "and number of answers to a query, if these vary). In brackets: 95 % intervals. p values are "
        "Holm-corrected within two families of tests: primary, what claim C6 asks (the best informed adversary), and secondary, all other rows. The "
        f"verdicts rest on them: {_margin(frame)}. If neither of two accuracies differs from chance, there is no verdict on their difference. Below chance is reversed, so informative: "
        "inverting such answers makes them right that often. Control: the same defence without the fairness term; not applicable if it gives the "
        "same models. Victims that diverged answer 0.5 to all and are in no difference. Click on a column's head to sort by it; hover over it "
        "for its meaning."
    )
    return _table({"id": "leakage", "title": "Leakage", "note": note, "columns": columns, "rows": rows})


def _placebos(frame: pd.DataFrame) -> dict[str, Any]:
    about = {column.name: column.about for column in schema.PLACEBO}
    words = ("task", "model")
    columns = [
        *(_column(name, about[name], filtered=True) for name in words),
        _column("worlds", "protocol; P(a = 1) in world 0 and in world 1", filtered=True),
        _column("adversary", about["adversary"], filtered=True, start="best"),
        _column("knowledge", about["knowledge"], filtered=True),
        _column("permutation", about["permutation"], filtered=True),
        _column("accuracy", about["accuracy"]),
        _column("against chance", about["against_chance"], filtered=True),
        *(_column(name, about[name]) for name in ("lowest", "highest", "sd")),
        _column("leave out 50 %", about["away_from_chance"]),
        _column("the task's own", about["task_accuracy"]),
    ]
    rows = []
    for row in frame.to_dict("records"):
        pair = select.Pair(row["protocol"], row["ratio_0"], row["ratio_1"])
        every = row["permutation"] != row["permutation"]
        away = f"{row['away_from_chance']:.0f} of {row['permutations']:.0f}" if every else "\u2013"
        rows.append(
            [
                *(_word(row[name]) for name in words), _word(pair.label), _word(row["adversary"]), _word(row["knowledge"]),
                _word("all" if every else f"{row['permutation']:.0f}"), _value(row, "accuracy"), _said(row["against_chance"]),
                *(_value(row, name) for name in ("lowest", "highest", "sd")), _cell(away, row["away_from_chance"]),
                _value(row, "task_accuracy"),
            ]
        )  # fmt: skip
    note = (
        "Undefended models with the group column permuted over the table: both worlds are then the same population, and what is read "
        "beyond 50 % comes from this table's finite pools. In brackets: 95 % intervals. The row `all` sums up a task's permutations."
    )
    return _table({"id": "placebo", "title": "Placebo", "note": note, "columns": columns, "rows": rows})


def _margin(frame: pd.DataFrame) -> str:
    """Say what the verdicts on a difference mean, with the margin of the table's rows."""
    known = frame["margin"].dropna()
    size = f"{findings.points(known.iloc[0])}, the margin" if len(known) else "the margin"
    return f"lower or higher is a difference that is not 0, {verdicts.SAME} one that is shown to be less than {size}"


def _models(frame: pd.DataFrame) -> dict[str, Any]:
    means = {
        "accuracy": "accuracy", "auc": "AUC", "gap": "gap", "delta_eo": "Delta_EO", "delta_eo_floor": "without a difference",
        "delta_eo_crossed": "Delta_EO crossed", "eo_vacuous": "EO vacuous",
    }  # fmt: skip
    rows = []
    victims = _known(select.of(frame, role="victim"))
    groups = victims.groupby([*WHERE, "world"], sort=False)
    summary = groups[list(means)].mean().reset_index()
    summary["victims"] = groups.size().to_numpy()
    for status in ("diverged", "constant"):
        summary[status] = groups["status"].agg(lambda column, status=status: int((column == status).sum())).to_numpy()
    for row in _sorted(summary.to_dict("records"), ("world",)):
        counts = [_cell(str(row[name]), row[name]) for name in ("victims", "diverged", "constant")]
        rows.append([*_keys(row), _word(row["world"]), *(_value(row, name) for name in means), *counts])
    about = {column.name: column.about for column in schema.MODELS}
    columns = [
        *_key_columns(),
        _column("world", about["world"], filtered=True),
        *(_column(title, f"mean: {about[name]}") for name, title in means.items()),
        _column("victims"),
        *(_column(status, about["status"]) for status in ("diverged", "constant")),
    ]
    note = (
        "Means over victims that did not diverge, by the world in which the base model was trained, on all rows of the query pool. "
        "Delta_EO is never 0: a model without any difference between the groups would read the number next to it."
    )
    return _table({"id": "models", "title": "Models", "note": note, "columns": columns, "rows": rows})


def _bounds(frame: pd.DataFrame) -> dict[str, Any]:
    rows = []
    for keys, part in _known(frame).groupby(WHERE, sort=False):
        row = dict(zip(WHERE, keys, strict=True))
        row |= {name: float(part[name].mean()) for name in ("delta_eo", "w", "beta", "gap")}
        row |= {f"{form}_holds": float(part[f"{form}_holds"].astype(float).mean()) for form in FORMS}
        rows.append(row | {"models": len(part), "small": float((part["smallest_cell"] < findings.SMALL_CELL).mean())})
    about = {column.name: column.about for column in schema.BOUNDS}
    columns = [
        *_key_columns(),
        *(
            _column(title, f"mean: {about[name]}")
            for name, title in (("delta_eo", "Delta_EO"), ("w", "W"), ("beta", "beta"), ("gap", "|gap|"))
        ),
        *(_column(f"{form} holds", f"share of models: {about[f'{form}_holds']}") for form in FORMS),
        _column("small cells", f"share of models with a (y, a) cell of fewer than {findings.SMALL_CELL} rows"),
        _column("models"),
    ]
    shares = [*(f"{form}_holds" for form in FORMS), "small"]
    cells = []
    for one in _sorted(rows):
        found = [_value(one, name) for name in ("delta_eo", "w", "beta", "gap")]
        found += [_cell(report_words.percent(one[name]), one[name]) for name in shares]
        cells.append([*_keys(one), *found, _cell(str(one["models"]), one["models"])])
    note = (
        "Share of models for which a bootstrap does not contradict each form of the bound. All forms are about the gap of a "
        "fixed model."
    )
    return _table({"id": "bounds", "title": "Bounds", "note": note, "columns": columns, "rows": cells})
