"""Puts the image's file system together: Python, what it and the packages link to, certificates, and nothing else.

No shell, no package manager, no libc tools. It works alike on Debian's Python and on the public Python images, and
leaves for scanners what they look for: the records of the Debian packages that files were taken from, with their
licences.

    python3 assemble.py TARGET FOLDER...

FOLDERs are copied as they are, with the libraries that their modules link to.
"""

import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

USER_ID = 65532
# Of the standard library: tests, tools for people, and what installs packages.
LEFT_OUT = shutil.ignore_patterns(
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "venv", "config-3*"),
    *("site-packages", "dist-packages", "__pycache__", "_tkinter*", "_test*", "turtle.py"),
)
MERGED = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def libraries(*folders: Path) -> set[Path]:
    """What the interpreter and every extension module below the folders link to, outside of those folders."""
    objects = [Path(sys.executable).resolve(), *(path for folder in folders for path in folder.rglob("*.so*"))]
    found: set[Path] = set()
    for path in objects:
        told = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
        found |= {Path(word) for word in told.split() if word.startswith("/")}
    # It is loaded by name when a thread ends.
    found |= {path.parent / "libgcc_s.so.1" for path in found if (path.parent / "libgcc_s.so.1").exists()}
    return {path for path in found if not any(folder in path.resolve().parents for folder in folders)}


def place(source: Path, target: Path) -> Path:
    """Where a file goes: below `target`, at the place to which the links of its folder lead."""
    return target / source.parent.resolve().relative_to("/") / source.name


def copy(source: Path, target: Path) -> None:
    to = place(source, target)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, to)


def owners(files: set[Path]) -> Iterator[str]:
    """Debian packages that the files belong to."""
    for path in files:
        for spelling in {path, Path("/", *path.parent.resolve().parts[1:], path.name)}:
            for shown in (spelling, Path(str(spelling).removeprefix("/usr"))):
                told = subprocess.run(["dpkg-query", "-S", str(shown)], capture_output=True, text=True, check=False)
                if told.returncode == 0:
                    yield told.stdout.partition(": ")[0].partition(":")[0]


def record(package: str, target: Path) -> None:
    told = subprocess.run(["dpkg-query", "-s", package], capture_output=True, text=True, check=True)
    status = target / "var/lib/dpkg/status.d" / package
    status.parent.mkdir(parents=True, exist_ok=True)
    status.write_text(told.stdout)
    licence = Path("usr/share/doc", package, "copyright")
    (target / licence).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2("/" / licence, target / licence)


def configure(target: Path) -> None:
    """A user without a shell, a folder for temporary files, and certificates where OpenSSL looks for them."""
    (target / "etc").mkdir(exist_ok=True)
    (target / "etc/passwd").write_text(f"nonroot:x:{USER_ID}:{USER_ID}::/nonexistent:/nonexistent\n")
    (target / "etc/group").write_text(f"nonroot:x:{USER_ID}:\n")
    (target / "tmp").mkdir()
    (target / "tmp").chmod(0o1777)
    for path in (BUNDLE, Path("/etc/os-release"), Path("/etc/ld.so.cache")):
        copy(path, target)
    expected = Path(ssl.get_default_verify_paths().openssl_cafile)
    link = target / expected.relative_to("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(BUNDLE)


def assemble(target: Path, *folders: Path) -> None:
    for name, leads_to in MERGED.items():
        (target / leads_to).mkdir(parents=True, exist_ok=True)
        (target / name).symlink_to(leads_to)
    stdlib = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(stdlib, target / stdlib.relative_to("/"), ignore=LEFT_OUT, ignore_dangling_symlinks=True)
    for folder in folders:
        shutil.copytree(folder, target / folder.relative_to("/"), symlinks=True)
    python = Path(sys.executable).resolve()
    taken = {python, *libraries(stdlib / "lib-dynload", *folders)}
    for path in taken:
        copy(path, target)
    usual = target / "usr/bin/python3"
    if not usual.exists():
        usual.symlink_to(python)
    configure(target)
    for package in {"ca-certificates", *owners(taken)}:
        record(package, target)
    options = ("-q", "--invalidation-mode", "unchecked-hash", "-s", str(target))
    compiled = [target / stdlib.relative_to("/"), *(target / folder.relative_to("/") for folder in folders)]
    command = [sys.executable, "-m", "compileall", *options, *map(str, compiled)]
    subprocess.run(command, check=True, env=os.environ)


if __name__ == "__main__":
    assemble(*map(Path, sys.argv[1:]))
