"""The commands that run the workflow of this package, and copy it out: `run` and `workflow`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ..core import atomic, home
from ..core.errors import PopleakError

PLACED = re.compile(r"-[cje].*|--(cores|jobs|executor|profile|workflow-profile)(=.*)?")
"""Options of Snakemake that say where and how wide a run is; without one of them it takes all cores."""
RUN = """\
usage: popleak run [--configfile FILE ...] [options of snakemake] [targets]

Run the workflow in the current folder: its own workflow where it has one (a checkout, or what `popleak workflow` wrote),
else the one that is installed with popleak. Everything else is handed to snakemake, whose options `snakemake --help` lists.

  --configfile FILE ...  files laid over the default experiment; `smoke` means the installed experiment of that name
  --cores N              number of cores; by default all"""


def add(commands) -> None:
    """Add the commands to a parser's subparsers."""
    # what snakemake is to get must not be read as options of popleak
    parser = commands.add_parser(
        "run", help="run the workflow in the current folder with snakemake", prefix_chars="\0", add_help=False
    )
    parser.add_argument("words", nargs="*")
    parser.set_defaults(run=_run)
    parser = commands.add_parser(
        "workflow",
        help="copy the workflow (Snakefile, rules, profiles, experiments, config) into a new folder, to edit it",
    )
    parser.add_argument("folder", type=Path, help="a folder that does not exist yet, or an empty one")
    parser.set_defaults(run=_workflow)


def _run(arguments: argparse.Namespace) -> None:
    if {"-h", "--help"} & set(arguments.words):
        print(RUN)
        return
    words = command(arguments.words)
    sys.stdout.flush()
    sys.stderr.flush()
    # in place of this process, so that signals reach snakemake alone and its exit status is this command's
    os.execv(words[0], words)


def command(words: Sequence[str]) -> list[str]:
    """Return the command that runs the workflow here, with a user's options of snakemake, its program first.

    Raises PopleakError for a file of `--configfile` that is not there.
    """
    parser = argparse.ArgumentParser(prog="popleak run", add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", type=Path, nargs="+", action="extend", default=[])
    given, rest = parser.parse_known_args(words)
    overlays = [home.overlay(path) for path in given.configfile]
    for path in overlays:
        if not path.is_file():
            raise PopleakError(
                f"--configfile {path}: no such file, and no experiment of that name: name a file, or one of `popleak list experiments`"
            )
    found = [sys.executable, "-m", "snakemake"]
    if not home.has_workflow():
        found += ["--snakefile", str(home.root() / "workflow" / "Snakefile")]
        overlays = [*home.bases()[1:], *overlays]  # the first is what that Snakefile itself reads
    if not any(PLACED.fullmatch(word) for word in rest):
        found += ["--cores", "all"]
    # targets come before the files, whose list they would continue
    return [*found, *rest, *(["--configfile", *map(str, overlays)] if overlays else [])]


def _workflow(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PopleakError(f"{folder}: not an empty folder: name one that does not exist")
    with atomic.folder(folder) as partial:
        count = home.copy(home.root(), partial)
        (partial / home.PROFILES).symlink_to(Path("workflow") / home.PROFILES)
    print(f"{folder}: {count} files; run it there: `popleak run --configfile smoke`, or `snakemake --cores all`")
