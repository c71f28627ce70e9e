"""`python -m popleak` is the command `popleak`."""

import contextlib
import os
import sys

from .cli.stages import main

if __name__ == "__main__":
    status = main()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(
        status
    )  # nothing is left to do, and to take the libraries apart takes some 0.05 s in each of hundreds of jobs
