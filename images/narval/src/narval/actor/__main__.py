"""Run as `python -m narval.actor`."""

import sys

from narval.actor.program import main

if __name__ == "__main__":
    sys.exit(main())
