"""The public tables as the report shows them: columns with their meaning, and cells that can be sorted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..figures import _select as select
from ..measures import verdicts
from ..store import schema
from . import findings
from . import words as report_words

if TYPE_CHECKING:
    import pandas as pd

FORMS = ("literal", "corrected", "balanced", "coupling")
SMALL_P = 0.001
"""The smallest p value that is shown as a number."""
WHERE = [*select.FACET, *select.PAIR, "poison", "defence"]


def _column(title: str, about: str = "", *, filtered: bool = False, start: str = "") -> dict[str, Any]:
    return {"title": title, "about": about, "filter": filtered, "start": start}


def _word(text: object) -> dict[str, Any]:
    return {"text": str(text), "sort": None}


def _said(verdict: object) -> dict[str, Any]:
    """Return a verdict of the table `leakage`."""
    return _word(verdict if isinstance(verdict, str) else "\u2013")


def _cell(text: str, value: Any) -> dict[str, Any]:
    return {"text": text, "sort": "" if value is None or value != value else f"{float(value):.10g}"}


def _value(row: Mapping[str, Any], name: str, digits: int = 3) -> dict[str, Any]:
    """Return a number, with its interval if the row has one. A p value that rounding would make 0 is shown by what it lies below."""
    value = row[name]
    text = report_words.number(value, digits)
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if low is not None and low == low:
        text += f" [{low:.{digits}f}, {high:.{digits}f}]"
    cell = _cell(text, value)
    if name.startswith("p_") and value < SMALL_P:
        cell["shown"] = f"<{SMALL_P:g}"
    return cell


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
    """Return the table without the columns model, poison, shadows and asked if they hold one value in all rows."""
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
    """Return the frame with default values for null axes, so that rows can be grouped and sorted by them."""
    frame = frame.assign(poison=frame["poison"].fillna(0.0))
    if "repeats" in frame:
        frame = frame.assign(
            repeats=frame["repeats"].fillna(1), shadow_model=frame["shadow_model"].fillna(frame["model"])
        )
    return frame


def leakage(frame: pd.DataFrame) -> dict[str, Any]:
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
        f"verdicts rest on them: {_margin(frame)}. If neither of two accuracies differs from chance, there is no verdict on their difference. Below chance is not safe if "
        "more cells are than chance alone would put there (see the findings): inverted, such answers would be right that often. "
        "Control: the same defence without the fairness term; not applicable if it gives the "
        "same models. Diverged victims answer 0.5 to every query and are excluded from differences. Click on a column header to sort by it; hover over it "
        "for its meaning."
    )
    return _table({"id": "leakage", "title": "Leakage", "note": note, "columns": columns, "rows": rows})


def placebos(frame: pd.DataFrame) -> dict[str, Any]:
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
        _column("exclude 50 %", about["away_from_chance"]),
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
        "Undefended models with the group column permuted over the table. Both worlds are then the same population, so any accuracy "
        "other than 50 % comes from this table's finite pools. In brackets: 95 % intervals. The row `all` summarises a task's permutations."
    )
    return _table({"id": "placebo", "title": "Placebo", "note": note, "columns": columns, "rows": rows})


def rows(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the table `membership`, of all candidates and of targets."""
    about = {column.name: column.about for column in schema.MEMBERSHIP}
    numbers = {
        "AUC": "auc", "less that of": "auc_vs", "tau": "tau", "TPR at 1 %": "tpr_01", "TPR at 0.1 %": "tpr_001",
        "named rightly": "ppv_01", "resolution": "resolution_01", "epsilon, at least": "epsilon_low",
    }  # fmt: skip
    words = {
        "protocol": "protocol",
        "candidates": "part",
        "defence": "defence",
        "adversary": "adversary",
        "knowledge": "knowledge",
    }
    columns = [
        *(_column(name, about[name], filtered=True) for name in select.FACET),
        *(_column(title, about[name], filtered=True) for title, name in words.items()),
        *(_column(title, about[name]) for title, name in numbers.items()), _column("compared with", about["compared_with"]),
    ]  # fmt: skip
    shown = [
        [
            *(_word(row[name]) for name in (*select.FACET, *words.values())), *(_value(row, name) for name in numbers.values()),
            _said(row["compared_with"] or None),
        ]
        for row in frame[frame["part"] != "cell"].to_dict("records")
    ]  # fmt: skip
    note = (
        "A row for each task, protocol, defence and attack on rows, of all candidates and of the targets. In brackets: 95 % intervals over pairs of models with "
        "complementary halves. Named rightly: the share of members among the rows named at a threshold for an FPR of 1 %, if 1 % of the rows asked about are "
        "members. A dash: fewer non-members than that rate can be told of, or nothing to compare with. The rows of each label and group are in the table membership."
    )
    return _table({"id": "membership", "title": "Single rows", "note": note, "columns": columns, "rows": shown})


def _margin(frame: pd.DataFrame) -> str:
    """Return a sentence on what the verdicts on a difference mean, with the margin of the table's rows."""
    known = frame["margin"].dropna()
    size = f"{findings.points(known.iloc[0])}, the margin" if len(known) else "the margin"
    return f"lower or higher is a difference that is not 0, {verdicts.SAME} one that is shown to be less than {size}"


def models(frame: pd.DataFrame) -> dict[str, Any]:
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
        "Delta_EO is never 0: the column next to it shows its expected value for a model without any difference between the groups."
    )
    return _table({"id": "models", "title": "Models", "note": note, "columns": columns, "rows": rows})


def bounds(frame: pd.DataFrame) -> dict[str, Any]:
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
    for entry in _sorted(rows):
        numbers = [_value(entry, name) for name in ("delta_eo", "w", "beta", "gap")]
        numbers += [_cell(report_words.percent(entry[name]), entry[name]) for name in shares]
        cells.append([*_keys(entry), *numbers, _cell(str(entry["models"]), entry["models"])])
    note = (
        "Share of models for which the bootstrap does not contradict each form of the bound. All forms concern the gap of a "
        "fixed model."
    )
    return _table({"id": "bounds", "title": "Bounds", "note": note, "columns": columns, "rows": cells})


DEFENCES_NUMBERS = {
    "informed_advantage": "best informed", "unaware_advantage": "best unaware", "statistic_advantage": "paper's statistic", "gap": "|gap|",
    "certified_advantage": "certified", "accuracy": "accuracy", "accuracy_vs_none": "vs none", "worst_group": "worst group",
    "delta_eo": "Delta_EO", "dp_difference": "dp difference", "membership_auc": "membership in S_0", "rows_own": "rows of S_0",
    "rows_complement": "of the other world", "rows_public": "public", "diverged": "diverged", "constant": "constant", "sd_accuracy": "sd accuracy",
    "sd_advantage": "sd advantage",
}  # fmt: skip


def defences(frame: pd.DataFrame) -> dict[str, Any]:
    about = {column.name: column.about for column in schema.DEFENCES}
    columns = [
        *_key_columns(),
        _column("access", about["access"], filtered=True),
        _column("against chance", about["against_chance"], filtered=True),
        *(_column(title, about[name]) for name, title in DEFENCES_NUMBERS.items()),
        _column("cost", f"in units of the training of M_0: {about['seconds_reference']}"),
        _column("needs", about["needs"]),
    ]
    rows = [
        [
            *_keys(row), _said(row["access"]), _said(row["against_chance"]), *(_value(row, name) for name in DEFENCES_NUMBERS),
            _value({"cost": row["seconds_reference"] / row["seconds_base"]}, "cost", 2), _said(row["needs"]),
        ]
        for row in _sorted(_known(frame.drop(columns="repeats")).to_dict("records"))
    ]  # fmt: skip
    note = (
        "A row for each task, pair of worlds and defence, at each of its settings. In brackets: 95 % intervals. Advantages are those of the table Leakage; "
        "measures are means over victims that did not diverge. Membership counts the rows of S_0 that the base model was trained on and no others: an AUC of "
        "0.5 says nothing of other rows that a defence trains on. Click on a column header to sort by it; hover over it for its meaning."
    )
    return _table({"id": "defences", "title": "Defences", "note": note, "columns": columns, "rows": rows})
