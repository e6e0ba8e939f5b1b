"""`python -m ppyr` is the command line."""

import sys

from ppyr.cli import main

sys.exit(main())
