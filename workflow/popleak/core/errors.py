"""The one exception that a user is meant to read."""

from __future__ import annotations

from collections.abc import Sequence


class PopleakError(Exception):
    """Bad input, said in one line that names the key or the file and the remedy.

    The command line prints the message alone and exits with status 2; a traceback would only hide the remedy.
    """


def refusal(where: str, problems: Sequence[str]) -> PopleakError:
    """Return the error that says all problems of a thing: one in the line that names it, several in a line each."""
    if len(problems) == 1:
        return PopleakError(f"{where}: {problems[0]}")
    return PopleakError("\n  ".join([f"{where}: {len(problems)} problems:", *problems]))
