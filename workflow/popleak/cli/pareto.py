"""The command `pareto`: a search over the model axis for configurations that are accurate, fair and give little away."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from ..core.errors import PopleakError
from . import tools


def add(commands) -> None:
    """Add the command to a parser's subparsers."""
    parser = commands.add_parser(
        "pareto",
        help="search the model axis for configurations that are accurate, fair and give little away; goes on where it was stopped",
    )
    tools.add_configfile(parser)
    parser.add_argument("--settings", help="the config in full, as JSON, in place of files")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="studies and configurations at once")
    parser.add_argument("--page", type=Path, help="write the page of results too, into this folder: docs/results")
    parser.add_argument(
        "--readme", type=Path, default=Path("README.md"), help="page of the findings; README.md unless given"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from ..config import resolve
    from ..search import campaign, published

    if arguments.cores < 1:
        raise PopleakError(f"--cores {arguments.cores}: give the number of cores, at least 1")
    if arguments.settings is None:
        experiment = tools.experiment_of(arguments.configfile)
    else:
        try:
            given = json.loads(arguments.settings)
        except ValueError as error:
            raise PopleakError(f"--settings: no JSON ({error})") from None
        if not isinstance(given, dict):
            raise PopleakError("--settings: no JSON object: give a config")
        experiment = resolve.load(given)
    found = campaign.run(experiment, arguments.cores)
    print("\n".join(published.write(experiment, found, page=arguments.page, readme=arguments.readme)))
