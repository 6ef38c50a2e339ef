"""Takes out of installed packages what the operator never imports: the kubernetes client's models and API classes.

They are generated, one class for every kind and every verb that Kubernetes has, and are most of the image; the operator
works with plain dictionaries. What importing the whole operator loads of them stays, and the import is tried again
afterwards, so that a build fails where a new version of the client needs more.

    python3 strip.py SITE-PACKAGES
"""

import os
import subprocess
import sys
from pathlib import Path

GENERATED = tuple(
    Path("kubernetes", *client, folder) for client in (("client",), ("aio", "client")) for folder in ("api", "models")
)
IMPORT_ALL = """
import importlib, importlib.util, pkgutil, sys
import modelrollout
LEFT_OUT = ["modelrollout.cli", "modelrollout.observer"]
if importlib.util.find_spec("opentelemetry") is None:  # an image without the extra
    LEFT_OUT.append("modelrollout.adapters.opentelemetry")
for module in pkgutil.walk_packages(modelrollout.__path__, "modelrollout."):
    if not module.name.startswith(tuple(LEFT_OUT)) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("\\n".join(getattr(module, "__file__", None) or "" for module in list(sys.modules.values())))
"""


def loaded() -> set[Path]:
    """The files of all modules that there are once everything is imported."""
    command = [sys.executable, "-B", "-c", IMPORT_ALL]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return {Path(line) for line in done.stdout.splitlines() if line}


def strip(site: Path) -> int:
    """The number of files that were taken out."""
    needed = loaded()
    unused = [path for folder in GENERATED for path in (site / folder).glob("*.py") if path not in needed]
    for path in unused:
        path.unlink()
    return len(unused)


if __name__ == "__main__":
    site = Path(sys.argv[1])
    count = strip(site)
    loaded()
    print(
        f"{count} generated modules of the kubernetes client were taken out; all of the operator imports without them"
    )
