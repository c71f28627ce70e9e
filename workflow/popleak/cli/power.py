"""The command `power`: how many victims a wanted precision needs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import PopleakError

if TYPE_CHECKING:
    from ..measures.paired import Spread


def add(commands) -> None:
    parser = commands.add_parser(
        "power",
        help="before a run: how many victims an interval width or a difference of two defences needs, and what a number of "
        "victims detects",
    )
    expected = parser.add_mutually_exclusive_group()
    expected.add_argument("--accuracy", type=float, help="expected accuracy of the attack; 0.75 unless given")
    expected.add_argument("--advantage", type=float, help="expected TPR - FPR; widths are then those of the advantage")
    expected.add_argument(
        "--difference",
        type=float,
        help="plan for a paired difference of this size in accuracy, which is twice as large in advantage",
    )
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--width", type=float, help="wanted median width of the interval; 0.1 unless given")
    wanted.add_argument("--victims", type=int, help="victims for each split and world, to see what they detect")
    parser.add_argument("--splits", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument(
        "--correlation", type=float, nargs="+",
        help="of being named correctly, between victims of one split; 0 0.02 0.1 unless given (with one split 0)",
    )  # fmt: skip
    parser.add_argument("--level", type=float, default=0.95, help="of the interval; tests are at 1 - level")
    parser.add_argument("--power", type=float, default=0.8, help="probability of detecting the effect")
    paired = parser.add_argument_group("with --difference")
    spread = paired.add_mutually_exclusive_group()
    spread.add_argument("--sd", type=float, help="standard deviation of one victim's difference within a split")
    spread.add_argument(
        "--pilot", type=Path, help="a finished run's table leakage.parquet, from which the spreads are taken"
    )
    paired.add_argument("--between", type=float, help="standard deviation of the splits' own differences")
    paired.add_argument("--margin", type=float, help="of the test of equivalence; 0.05 unless given")
    paired.add_argument(
        "--shadows", type=int, help="shadow models for each world and split, which also take time; 100 unless given"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.difference is not None:
        return _of_difference(arguments)
    for option in ("sd", "pilot", "between", "margin", "shadows"):
        if getattr(arguments, option) is not None:
            raise PopleakError(f"--{option} plans a paired difference: give --difference too")
    from ..measures import power

    scale, accuracy = 1.0, 0.75 if arguments.accuracy is None else arguments.accuracy
    if arguments.advantage is not None:
        if not -1.0 < arguments.advantage < 1.0:
            raise PopleakError(f"advantage must lie between -1 and 1, not {arguments.advantage:g}")
        scale, accuracy = 2.0, (1.0 + arguments.advantage) / 2.0
    width = 0.1 if arguments.width is None else arguments.width
    plans = [
        power.plan(
            accuracy=accuracy, splits=splits, correlation=correlation, level=arguments.level, power=arguments.power,
            **({"width": width / scale} if arguments.victims is None else {"per_split": arguments.victims}),
        )
        for splits in arguments.splits
        for correlation in arguments.correlation or ((0.0, 0.02, 0.1) if splits > 1 else (0.0,))
    ]  # fmt: skip
    print("\n".join(power.lines(plans, scale=scale)))


def _of_difference(arguments: argparse.Namespace) -> None:
    from ..measures import paired
    from ..measures.verdicts import MARGIN

    for option in ("width", "correlation"):
        if getattr(arguments, option) is not None:
            raise PopleakError(f"--{option} is about an interval, not a difference: leave it out with --difference")
    shadows = 100 if arguments.shadows is None else arguments.shadows
    if shadows < 0:
        raise PopleakError(f"shadows must be at least 0, not {shadows}")
    design = {
        "difference": arguments.difference, "margin": MARGIN if arguments.margin is None else arguments.margin,
        "level": 1.0 - arguments.level, "power": arguments.power,
    }  # fmt: skip
    for title, spread in _spreads(arguments):
        if title:
            print(f"{title}: sd {spread.within:.3f} within splits, {spread.between:.3f} between")
        if arguments.victims is not None:
            found = paired.given(arguments.victims, splits=arguments.splits, spread=spread, **design)
        else:
            plans = [paired.plan(splits=splits, spread=spread, **design) for splits in arguments.splits]
            found = paired.lines(plans, shadows=shadows)
        print("\n".join(found), flush=True)


def _spreads(arguments: argparse.Namespace) -> list[tuple[str, Spread]]:
    """Return the spreads to plan with, each with its title: those of a pilot run, or the one that is given."""
    from ..measures.paired import Spread

    if arguments.pilot is not None:
        if arguments.between is not None:
            raise PopleakError("--between is measured from --pilot: leave out one of the two")
        from . import pilot

        return [
            (f"{one.name} ({one.victims} victims in {one.splits} splits)", one.spread)
            for one in pilot.read(arguments.pilot)
        ]
    if arguments.sd is None or arguments.between is None:
        raise PopleakError("a difference is planned from its spread: give --sd and --between, or --pilot FILE")
    return [("", Spread(arguments.sd, arguments.between))]
