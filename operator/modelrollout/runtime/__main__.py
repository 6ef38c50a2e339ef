"""`python -m modelrollout.runtime`: what the operator's image runs."""

import sys

from modelrollout.runtime.main import main

sys.exit(main())
