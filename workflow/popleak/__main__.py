"""`python -m popleak` is the command `popleak`."""

import sys

from .cli.stages import main

if __name__ == "__main__":
    sys.exit(main())
