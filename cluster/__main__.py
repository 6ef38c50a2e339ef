"""Command line; completed below."""
import sys
from cluster import inside, settings
if sys.argv[1] == "exec":
    inside.execute(settings.load(), sys.argv[3:])
