"""`python -m popleak` is the command `popleak`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
