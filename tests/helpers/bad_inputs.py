"""Kinds of bad input, each with an example and the command that is given it. `python tests/helpers/bad_inputs.py` runs them all and
writes what popleak says into docs/troubleshooting.md; `tests/workflow/test_bad_inputs.py` holds the page to that.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
BEGIN, END = "<!-- bad inputs: begin, written by `make docs` -->", "<!-- bad inputs: end -->"
LONGEST = 320
"""Characters of a message that the page shows."""
CONFIG = """
experiment: small
seed: 3
tasks:
  - {dataset: synthetic, rows: 60, query_rows: 30, options: {rows: 800}}
worlds: [{protocol: pure}]
models: [{name: mlp, settings: {widths: [8]}}]
defences: [none, finetune]
attacks: [loss, kl]
population: {splits: 2, victims: 4, shadows: 3}
training: {epochs: 1}
figures: [gap]
"""
OWN = "path: people.csv, label: y, positive: 1, attribute: g, groups: [u, v]"


class Bad(NamedTuple):
    """A kind of bad input: what is wrong, in which section of the page; files of the example; the command."""

    section: str
    kind: str
    files: dict[str, str | bytes]
    words: tuple[str, ...]


def people(columns: str = "y,g,x", row: str = "{y},{g},{x}", rows: int = 800, more: str = "") -> str:
    """Return a table of people as CSV; row: how one is written, of y, g, x and its number n."""
    made = (
        row.format(n=i, y=(i // 2 + i * i // 7) % 2, g="uv"[i % 2], x=(i * 37) % 101, w=f"w{i % 7}")
        for i in range(rows)
    )
    return "\n".join([columns, *made, more]).rstrip("\n") + "\n"


def workbook() -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")
    return found.getvalue()


def answers(
    *,
    roles: str = "victim shadow",
    world: str = "{w}",
    head: str = "role,world,split,q0,q1",
    row: str = "",
    rows: int = 8,
) -> str:
    row = row or "{role},{world},0,0.{n}1,0.{n}2"
    made = [row.format(role=role, world=world.format(w=i % 2), n=i) for role in roles.split() for i in range(rows)]
    return "\n".join([head, *made]) + "\n"


def configs() -> Iterator[tuple[str, str | bytes]]:
    """Yield (what is wrong, the file that is laid over the config)."""
    yield "not UTF-8", "title: Größe\n".encode("latin-1")
    yield "not YAML", "population: {splits: 2\n"
    yield "tabs for indentation", "population:\n\tsplits: 2\n"
    yield "a key twice", "seed: 1\nseed: 2\n"
    yield "a word that YAML reads as true or false", "title: no\n"
    yield "a time that YAML reads as a number", "population: {victims: 1:30}\n"
    yield "a number with a leading zero", "population: {victims: 010}\n"
    yield "a date", "title: 2020-02-03\n"
    yield "a tag that would run code", "seed: !!python/object/apply:os.system [id]\n"
    yield "very deep nesting", f"title: {'[' * 60}{']' * 60}\n"
    yield (
        "aliases that multiply",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdef", "bcdefg")),
    )
    yield "an unknown key", "tassks: []\n"
    yield "a key in the wrong place", "victims: 8\n"
    yield "text for a number", "seed: many\n"
    yield "a number out of range", "tau: 2\n"
    yield "not a number", "training: {learning_rate: .nan}\n"
    yield "a value left out", "seed:\n"
    yield "an unknown dataset", "tasks: [{dataset: adlut}]\n"
    yield "an unknown model", "models: [mpl]\n"
    yield "an unknown defence", "defences: [none, fine-tune]\n"
    yield "an unknown attack", "attacks: [loss, kI]\n"
    yield "an unknown figure", "figures: [pie]\n"
    yield "an unknown setting of an attack", "attacks: [{name: kl, settings: {clipp: 0.1}}]\n"
    yield "a bad setting of a defence", "defences: [none, {name: fft-rehearsal, settings: {rehearsal: 1.5}}]\n"
    yield "an id twice", "defences: [none, fft, {name: fft, settings: {eo_weight: 2}}]\n"
    yield "an id that no file can have", "experiment: ../up\n"
    yield "a reserved name", "experiment: store\n"
    yield "a name that only Windows minds", "experiment: aux\n"
    yield "no undefended model", "defences: [fft]\n"
    yield "victims that the splits do not divide", "population: {splits: 3, victims: 10}\n"
    yield "no rows left for queries", "population: {victim_share: 0.5, adversary_share: 0.5}\n"
    yield "two equal worlds that should differ", "worlds: [{protocol: ratio, ratios: [0.5, 0.5]}]\n"
    rows = "worlds: [{protocol: pure}, {protocol: membership, ratios: [0.3]}]\nattacks: [loss, lira]\n"
    yield "too few models that share candidates", f"{rows}training: {{validation: 0}}\n"
    yield (
        "held-out rows that would be members of nothing",
        f"{rows}population: {{halves: 8}}\ntraining: {{validation: 0.1}}\n",
    )
    yield (
        "an attack on public rows where there are none",
        (f"{rows.replace('lira', 'rmia')}population: {{halves: 8}}\ntraining: {{validation: 0}}\n"),
    )
    yield (
        "a teacher from which nothing can be learnt",
        "defences: [none, {name: distillation, settings: {teacher: answer-noise}}]\n",
    )
    yield "a generator among classifiers", "models: [tabular-diffusion]\n"
    shared = (
        "worlds: [{protocol: pure}, {protocol: samples, ratios: [0.2, 0.8]}]\nattacks: [loss, property-inference]\n"
    )
    yield "released rows that nobody generates", shared
    generated = f"{shared}generators: [tabular-diffusion]\n"
    yield "a sharer's defence that is none of a generator's", f"{generated}sharers: [none, fft]\n"
    yield "a group that a generator has not seen", f"{generated.replace('0.2', '0.0')}sharers: [none, fixed-prior]\n"
    yield "an attack on rows that nobody releases", "attacks: [loss, property-inference]\n"
    yield "a world twice", "worlds: [{protocol: pure}, {protocol: pure}]\n"
    yield (
        "a dataset of the publisher with more rows than it has",
        "tasks: [{dataset: german, rows: 5000, query_rows: 30}]\n",
    )
    yield "a defence that the model cannot take", "models: [histogram]\n"
    yield (
        "more models than a machine bears",
        ("population: {splits: 2, victims: 1000000, shadows: 100000}\nengine: {job_seconds: 0.000000001}\n"),
    )
    yield "a paper that is not there", "paper: second.yaml\n"


def tables() -> Iterator[tuple[str, str | bytes | None, str]]:
    """Yield (what is wrong, the table, the task's options)."""
    usual = people()
    yield "the table is not there", None, OWN
    yield "it is empty", "", OWN
    yield "it has a header only", "y,g,x\n", OWN
    yield "an Excel workbook", workbook(), OWN
    yield "not text", b"\x00\x01\x02" * 100, OWN
    yield "another encoding", people().replace("u", "ü").encode("latin-1"), f"{OWN}, encoding: utf-8"
    yield "a record with more fields than the header", people(more="1,u,2,3"), OWN
    yield "a quotation mark that is never closed", people(more='1,u,"2'), OWN
    yield "a column twice in the header", people("y,g,x,x", "{y},{g},{x},{x}"), OWN
    yield "no column of the label's name", usual, OWN.replace("label: y", "label: outcome")
    yield "no column of the attribute's name", usual, OWN.replace("attribute: g", "attribute: gender")
    yield "a value of the label that does not occur", usual, OWN.replace("positive: 1", 'positive: "yes"')
    yield (
        "a label of three values",
        people(row="{n},{g},{x}".replace("{n}", "{w}")),
        OWN.replace("positive: 1", "positive: w1"),
    )
    yield "a group that does not occur", usual, OWN.replace("[u, v]", "[u, w]")
    yield (
        "a value in both groups",
        usual,
        OWN.replace("[u, v]", '["<= 50", "<= 60"]').replace("attribute: g", "attribute: x"),
    )
    yield "a label that is constant in a group", people(row="1,{g},{x}"), OWN
    yield "dates", people("y,g,x,day", "{y},{g},{x},2020-01-0{y}"), OWN
    yield (
        "numbers and words in one column",
        people("y,g,x", "{y},{g},{x}", more="\n".join(f"1,u,word{i}" for i in range(60))),
        OWN,
    )
    yield "a column that looks like an identifier", people("y,g,x,customer_id", "{y},{g},{x},{n}"), OWN
    yield "e-mail addresses", people("y,g,x,contact", "{y},{g},{x},p{n}@example.org"), OWN
    yield "a column to drop that is not there", usual, f"{OWN}, drop: [name]"
    yield "an encoding that does not exist", usual, f"{OWN}, encoding: klingon"
    yield "a separator of two characters", usual, f'{OWN}, separator: "||"'
    yield "too few rows", people(rows=200), OWN
    yield "a label that only one group has", "y,g,x\n" + "".join(f"{i % 2},u,{i}\n{0},v,{i}\n" for i in range(500)), OWN
    yield "no features", people("y,g", "{y},{g}"), OWN
    yield "infinite numbers", people(more="1,u,inf"), OWN


def judged() -> Iterator[tuple[str, str | bytes | None, tuple[str, ...]]]:
    """Yield (what is wrong, the table of answers, further words)."""
    usual = answers()
    yield "no such table", None, ()
    yield "a column is missing", answers(head="role,split,q0,q1", row="{role},0,0.{n}1,0.{n}2"), ()
    yield "an unknown role", answers(roles="victim shado"), ()
    yield "no shadows", answers(roles="victim"), ()
    yield "a world that is neither 0 nor 1", answers(world="2"), ()
    yield "an answer that is no probability", answers(row="{role},{world},0,{n}.5,0.5"), ()
    yield "an answer that is no number", answers(row="{role},{world},0,high,0.5"), ()
    yield "an answer is missing", answers(row="{role},{world},0,,0.5"), ()
    yield "no query points", answers(head="role,world,split", row="{role},{world},0"), ()
    yield "an unknown attack", usual, ("--attacks", "kI")
    yield "an attack that needs more than answers", usual, ("--attacks", "weights")
    yield "ratios out of range", usual, ("--ratios", "0", "2")
    yield "a control that nobody has", usual, ("--control", "fft=finetune")
    yield "a control that is none", usual, ("--control", "fft")
    yield "guesses without a key", usual, ("--guesses", "answers.csv")
    yield "neither .csv nor .parquet", usual, ("--points", "answers.txt")
    yield "Parquet that is cut short", usual, ("--key", "cut.parquet")
    yield "a key that is none", usual, ("--key", "answers.csv")
    yield "the same column twice", answers(head="role,world,split,q0,q0"), ()


def own_models() -> Iterator[tuple[str, dict[str, str | bytes], tuple[str, ...]]]:
    """Yield (what is wrong, files, the command)."""
    pickled = b"\x80\x04}."
    told = io.BytesIO()
    with zipfile.ZipFile(told, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)

    def proposed(name: str) -> tuple[str, ...]:
        return "score", name, "--propose"

    yield "no such model", {}, proposed("model.skops")
    yield "a pickle", {"model.pkl": pickled}, proposed("model.pkl")
    yield "a pickle under another name", {"model.skops": pickled}, proposed("model.skops")
    yield "a file of torch.save", {"model.pt": told.getvalue()}, proposed("model.pt")
    yield "a file that is no model", {"model.onnx": "x"}, proposed("model.onnx")
    yield "a run that has not begun", {"answers.csv": "row,score\n1,0.5\n"}, ("verdict", "answers.csv")
    model = "models: [{{name: estimator, settings: {{estimator: RandomForestClassifier, params: {{{}}}}}}}]\ndefences: [none]\n"
    for kind, params in {
        "an unknown parameter": "trees: 9",
        "a parameter out of its range": "n_estimators: 0",
        "a parameter that is popleak's": "random_state: 1",
    }.items():
        yield kind, {"forest.yaml": model.format(params)}, ("plan", "--configfile", "forest.yaml")
    fine = {"forest.yaml": model.format("").replace("[none]", "[none, finetune]")}
    yield "a defence that continues a training", fine, ("plan", "--configfile", "forest.yaml")


def listing() -> list[Bad]:
    """Return all kinds."""
    found = [
        Bad("The config", kind, {"bad.yaml": text}, ("plan", "--configfile", "bad.yaml")) for kind, text in configs()
    ]
    task = "tasks: [{{dataset: table, id: own, rows: 60, query_rows: 20, placebo: 0, options: {{{}}}}}]\n"
    for kind, text, options in tables():
        files: dict[str, str | bytes] = {"own.yaml": task.format(options)}
        files |= {} if text is None else {"people.csv": text}
        found.append(Bad("Your own table", kind, files, ("check", "--configfile", "own.yaml")))
    usual = answers()
    for kind, text, words in judged():
        files = {} if text is None else {"answers.csv": text}
        found.append(
            Bad(
                "Models you already have",
                kind,
                {**files, "cut.parquet": b"PAR1 half", "answers.txt": usual},
                ("judge", "answers.csv", *words),
            )
        )
    found += [Bad("One model of your own", kind, files, words) for kind, files, words in own_models()]
    folder = "A results folder"
    foreign = ("results/store/train/mlp-000000000000.parquet", "results/store/figures/gap-000000000000.sha256")
    verify = ("verify", "--configfile", "config.yaml")
    found += [
        Bad(folder, "a file of the store that is cut short", {foreign[0]: b"PAR1 half"}, verify),
        Bad(folder, "a manifest that is damaged", {foreign[1]: b"half"}, verify),
        Bad(folder, "a file that is not popleak's", {"results/store/train/notes.txt": b"x"}, verify),
        Bad(folder, "a file that a killed job had half written", {f"results/store/train/.{Path(foreign[0]).name}.17.partial": b"x"}, verify),
        Bad(folder, "a public table that is damaged", {"models.parquet": b"PAR1" * 9}, (
            "figures", "--step", "gap", "--settings", '{"figure": "gap", "tau": 0.1}', "--models", "models.parquet", "--stem", "gap",
        )),
        Bad(folder, "a published file that was changed", {"results/small/report.html": "mine"}, verify),
        Bad(folder, "a foreign file among the published ones", {"results/small/tables/mine.parquet": "mine"}, verify),
        Bad(folder, "a download that is not the publisher's file", {
            "results/data/german/german.data": "1\n", "german.yaml": "tasks: [{dataset: german, rows: 60, query_rows: 30}]\n",
        }, ("verify", "--configfile", "german.yaml")),
        Bad(folder, "a run to pack that is not finished", {}, ("pack", "packed")),
        Bad(folder, "a README without the lines between which results are put", {"README.md": "x"}, ("readme",)),
    ]  # fmt: skip
    command = "The command line"
    step = ("--step", "x", "--data", "d.parquet", "--output", "o.parquet")
    found += [
        Bad(command, "an overlay that is not there", {}, ("plan", "--configfile", "nowhere.yaml")),
        Bad(command, "a folder for a file", {"folder/x": ""}, ("plan", "--configfile", "folder")),
        Bad(command, "settings of a job that are no JSON", {}, ("split", *step, "--settings", "{")),
        Bad(command, "a setting of a job that is missing", {}, ("split", *step, "--settings", "{}")),
        Bad(command, "a table for `init` that is not there", {}, ("init", "nowhere.csv")),
        Bad(command, "a config that `init` would overwrite", {"people.csv": people(), "people.yaml": ""}, ("init", "people.csv", "--group", "g")),
        Bad(command, "a column that `init` is to take and that is not there", {"people.csv": people()}, ("init", "people.csv", "--group", "h")),
        Bad(command, "a dataset that cannot be prepared", {}, ("prepare", "adlut", ".", "--data-dir", ".")),
        Bad(command, "a source that is not served by https", {}, (
            "fetch", "--dataset", "adult", "--source", json.dumps({"file": "a", "url": "ftp://example.org/a"}), "--output", "data/a",
        )),
        Bad(command, "no victims to count with", {}, ("power", "--victims", "0")),
        Bad(command, "no cores", {}, ("plan", "--cores", "0")),
        Bad(command, "no workers", {}, ("plan", "--nodes", "0")),
        Bad(command, "a latency below zero", {}, ("plan", "--latency", "-1")),
        Bad(command, "fewer outputs than files", {}, ("publish", "--files", "a", "b", "--outputs", "c")),
        Bad(command, "a file that is to be published and is not there", {}, ("publish", "--files", "a.parquet", "--outputs", "c")),
        Bad(command, "pictures to prepare that are not there", {}, ("prepare", "utkface", "nowhere", "--data-dir", ".")),
        Bad(command, "no folder of raw data named", {}, ("prepare", "utkface", "nowhere")),
        Bad(command, "an experiment for `run` that is not there", {}, ("run", "--configfile", "nowhere")),
        Bad(command, "a folder for `workflow` that holds files", {"mine/x": ""}, ("workflow", "mine")),
        Bad(command, "a name that no plugin may have", {}, ("new", "attack", "My_Attack")),
        Bad(command, "the name of a plugin that exists", {}, ("new", "attack", "kl")),
        Bad(command, "a plugin that `new` would overwrite", {"my_attack.py": ""}, ("new", "attack", "my-attack")),
    ]  # fmt: skip
    return found


class Said(NamedTuple):
    status: int
    lines: list[str]
    changed: list[str]


def run(bad: Bad, folder: Path) -> Said:
    """Give an example to its command in an empty folder; return its exit status, what it said on stderr, and what it wrote."""
    from popleak.cli import stages

    for name, content in {"config.yaml": CONFIG, **bad.files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = _content(folder)
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stderr(io.StringIO()) as said,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            status = stages.main(bad.words)
        except SystemExit as error:  # argparse
            status = int(str(error.code))
    after = _content(folder)
    return Said(status, said.getvalue().splitlines(), sorted(before.items() ^ after.items(), key=str))


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def message(said: Said) -> str:
    """Return the line that says what is wrong, without the name of the program and the digest of code and versions in a step's id."""
    return re.sub(r"-[0-9a-f]{12}\b", f"-{'0' * 12}", said.lines[-1].strip().removeprefix("popleak: "))


def block(found: dict[tuple[str, str], str]) -> str:
    """Return the page's tables of (section, kind) and message."""
    parts = []
    for section in dict.fromkeys(section for section, _ in found):
        rows = [f"| {kind} | {_cell(text)} |" for (one, kind), text in found.items() if one == section]
        parts.append("\n".join([f"### {section}", "", "| what is wrong | what popleak says |", "| --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(' ', 1)[0]} ..."
    fence = "``" if "`" in shown else "`"
    pad = " " if "`" in shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", "\\|")


def main() -> None:
    from popleak.report import readme

    os.environ.pop("POPLEAK_DATA", None)
    found = {}
    for bad in listing():
        with tempfile.TemporaryDirectory() as folder:
            found[bad.section, bad.kind] = message(run(bad, Path(folder)))
    whole = readme.around(PAGE, BEGIN, END)
    readme.put(PAGE, whole, f"\n{block(found)}\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "workflow"))
    main()
