"""`python -m modelrollout.observer`: what the observer's image runs."""

import sys

from modelrollout.observer.main import main

sys.exit(main())
