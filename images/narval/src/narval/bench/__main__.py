"""`python -m narval.bench`."""

import sys

from narval.bench.program import main

sys.exit(main())
