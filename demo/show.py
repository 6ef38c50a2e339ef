"""The demo: v1 is installed, v2 goes live on evidence, v3 and v6 are taken back. Shown as it happens, then a table.

    python -m demo.show

Exits with 1 if any version did not end as it should. The cluster stays up afterwards.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cluster.settings import load as cluster_settings
from demo import evidence_view
from demo.evidence_view import Evidence
from demo.kubectl import KubectlError, apply, fetch, kubectl
from demo.load import Load, LoadCounts, LoadSettings

FOLDER = Path(__file__).parent
MANIFESTS = FOLDER.parent / "manifests" / "base"
NAMESPACE = "clinic"
NAME = "biopsy"
PATIENCE_SECONDS = 420.0
MOST_FAILURES = 50
"""What users may see fail because of the bad version, at the demo's rate."""


@dataclass(frozen=True)
class Chapter:
    """One version, and how it has to end. `unseen`: no user may have got an answer of it."""

    version: str
    story: str
    expected: str
    unseen: bool = False


CHAPTERS = (
    Chapter("v1", "the first version", "Live"),
    Chapter("v2", "a better model", "Live"),
    Chapter("v3", "a model that fails on some inputs", "RolledBack"),
    Chapter("v6", "a model that answers quickly, politely and wrongly", "RolledBack", unseen=True),
)


@dataclass(frozen=True)
class Ending:
    chapter: Chapter
    outcome: str
    seconds: float
    failed: int
    answers: int
    record: str

    @property
    def as_expected(self) -> bool:
        seen = self.chapter.unseen and self.answers > 0
        return self.outcome == self.chapter.expected and self.failed < MOST_FAILURES and not seen


def outcome(deployment: dict[str, Any] | None, version: str) -> str | None:
    """How the rollout of this version ended; None while it has not."""
    if deployment is None:
        return None
    status = deployment.get("status", {})
    if not _is_current(deployment):
        return None
    truths = {c["type"]: c["status"] == "True" for c in status.get("conditions", [])}
    if truths.get("RolledBack"):
        return "RolledBack"
    if truths.get("Paused"):
        return "Paused"
    if truths.get("Ready") and status.get("stableVersion") == version:
        return "Live"
    return None


def _is_current(deployment: dict[str, Any] | None) -> bool:
    """Whether the operator has seen what was applied last."""
    if deployment is None:
        return False
    return bool(deployment.get("status", {}).get("observedGeneration") == deployment["metadata"]["generation"])


def picture(deployment: dict[str, Any] | None, chapter: Chapter, evidence: Evidence, load: LoadCounts) -> Group:
    """The state of one rollout, for a person who sees it for the first time."""
    status = (deployment or {}).get("status", {})
    facts = Table.grid(padding=(0, 2))
    facts.add_row("version", Text(f"{chapter.version}: {chapter.story}", style="bold"))
    facts.add_row("stage", Text(str(status.get("stage", "waiting for the operator")), style="bold cyan"))
    facts.add_row("weight", _bar(float(status.get("weight", 0)), 100.0, f"{status.get('weight', 0)} %", "cyan"))
    facts.add_row("live", f"{status.get('stableVersion') or 'none'}")
    facts.add_row(
        "users saw", f"{load.ok} answers, {load.failed} failures (by version: {_versions(load) or 'none yet'})"
    )
    facts.add_row("operator", Text(_says(status), style="dim"))
    return Group(facts, _gates(evidence)) if evidence.gates else Group(facts)


def _gates(evidence: Evidence) -> Table:
    table = Table(title="evidence (logs of e-values) against what is needed", title_justify="left")
    for column in ("gate", "candidate", "live", "of harm, rolls back when full", "of safety, promotes when full"):
        table.add_column(column)
    for name, gate in evidence.gates.items():
        table.add_row(
            name,
            _share(*gate.candidate),
            _share(*gate.stable),
            _bar(gate.harm, evidence.harm_threshold, f"{gate.harm:.1f} of {evidence.harm_threshold:.1f}", "red"),
            _bar(
                gate.safety, evidence.safety_threshold, f"{gate.safety:.1f} of {evidence.safety_threshold:.1f}", "green"
            ),
        )
    return table


def _share(requests: float, bad: float) -> str:
    return f"{bad:.0f} bad of {requests:.0f}"


def _versions(load: LoadCounts) -> str:
    return ", ".join(f"{version} {count}" for version, count in load.answered_by.items())


def _bar(value: float, whole: float, label: str, style: str) -> Table:
    bar = Table.grid(padding=(0, 1))
    full = max(0.0, min(value, whole))
    bar.add_row(ProgressBar(total=whole or 1.0, completed=full, width=20, complete_style=style), label)
    return bar


def follow(chapter: Chapter, load: Load, *, prometheus: str, console: Console) -> Ending:
    """Apply a version and watch it to its end."""
    before = load.snapshot().failed
    began = time.monotonic()
    apply((FOLDER / "rollouts" / f"{chapter.version}.yaml").read_text())
    said: tuple[Any, ...] = ()
    ended: str | None = None
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while ended is None and time.monotonic() - began < PATIENCE_SECONDS:
            deployment = fetch("modeldeployment", NAME, "-n", NAMESPACE)
            ended = outcome(deployment, chapter.version)
            evidence = evidence_view.read(prometheus, namespace=NAMESPACE, name=NAME)
            live.update(picture(deployment, chapter, evidence, load.snapshot()))
            status = (deployment or {}).get("status", {})
            now = (status.get("stage"), status.get("weight"))
            if now != said and _is_current(deployment):
                said = now
                _say(console, chapter, status, time.monotonic() - began)
            time.sleep(0.5)
    seconds = time.monotonic() - began
    counts = load.snapshot()
    answers = counts.answered_by.get(chapter.version, 0)
    return Ending(chapter, ended or "no end", seconds, counts.failed - before, answers, _record(chapter.version))


def _say(console: Console, chapter: Chapter, status: dict[str, Any], seconds: float) -> None:
    where = f"[cyan]{status['stage']:<8}[/] weight {status.get('weight', 0):3} %"
    console.print(
        f"[dim]{seconds:6.1f} s[/]  {chapter.version}  {where}  [dim]{_says(status)}[/]",
        highlight=False,
        soft_wrap=True,
    )


def _says(status: dict[str, Any]) -> str:
    """Reason and message of the Ready condition."""
    ready: dict[str, str] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    return f"{ready.get('reason', '')}: {ready.get('message', '')}"


def _record(version: str) -> str:
    """The newest decision about a version, as its ModelRevision keeps it."""
    listed = fetch("modelrevisions", "-n", NAMESPACE) or {"items": []}
    for revision in listed["items"]:
        decisions = revision.get("status", {}).get("decisions", [])
        if revision["spec"]["model"]["version"] == version and decisions:
            return str(decisions[-1]["message"])
    return "none"


def summary(endings: Sequence[Ending]) -> Table:
    table = Table(title="how it ended", show_lines=True)
    for column in ("version", "outcome", "seconds", "answers", "failures that users saw", "decision record"):
        table.add_column(column, overflow="fold")
    for ending in endings:
        style = "green" if ending.as_expected else "bold red"
        table.add_row(
            ending.chapter.version,
            Text(ending.outcome if ending.as_expected else f"{ending.outcome}, not {ending.chapter.expected}", style),
            f"{ending.seconds:.0f}",
            str(ending.answers),
            str(ending.failed),
            ending.record,
        )
    return table


def install(console: Console) -> None:
    """The operator and an empty namespace for the model."""
    console.print("installing the operator: kubectl apply -k manifests/base")
    kubectl("apply", "--server-side", "-k", str(MANIFESTS))
    kubectl("-n", "modelrollout", "rollout", "status", "deployment/modelrollout", "--timeout=120s", timeout=150)
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true", "--timeout=120s", timeout=150)
    apply((FOLDER / "rollouts" / "namespace.yaml").read_text())


def run(console: Console, *, rate: float) -> int:
    settings = cluster_settings()
    prometheus = f"http://127.0.0.1:{settings.prometheus_port}"
    install(console)
    load = Load(
        LoadSettings(
            url=f"http://127.0.0.1:{settings.gateway_port}",
            host=f"{NAME}.example.com",
            model=NAME,
            rate=rate,
            seconds=len(CHAPTERS) * PATIENCE_SECONDS,
        )
    )
    endings = []
    for chapter in CHAPTERS:
        console.rule(f"{chapter.version}: {chapter.story}")
        endings.append(follow(chapter, load, prometheus=prometheus, console=console))
        if chapter is CHAPTERS[0]:
            _wait_for_route(load.settings)
            load.start()
        if not endings[-1].as_expected:
            break
    load.stop()
    console.print(summary(endings))
    console.print(kubectl("get", "modeldeployments,modelrevisions", "-n", NAMESPACE), highlight=False)
    console.print(NEXT, highlight=False)
    return 0 if len(endings) == len(CHAPTERS) and all(ending.as_expected for ending in endings) else 1


def _wait_for_route(settings: LoadSettings) -> None:
    """Requests before the gateway knows the route would be counted as failures of a model."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        probe = Load(LoadSettings(url=settings.url, host=settings.host, model=settings.model, rate=20, seconds=0.5))
        probe.start()
        counts = probe.wait()
        if counts.ok == counts.sent:
            return
        time.sleep(0.5)
    raise KubectlError("the gateway did not serve the route within 60 s")


NEXT = """The cluster is still up. Try:
  python -m cluster exec -- kubectl describe modeldeployment biopsy -n clinic
  python -m cluster exec -- kubectl get modelrevisions -n clinic -o yaml
  python -m cluster exec -- kubectl apply -f demo/rollouts/v2.yaml       # back to what is live: Ready again
  make demo                                                             # all of it again
  make down                                                             # remove everything"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.show", description="Shows a good and a bad rollout.")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second (default: %(default)g)")
    given = parser.parse_args(arguments)
    console = Console()
    try:
        return run(console, rate=given.rate)
    except KubectlError as error:
        console.print(f"[bold red]demo:[/] {error}", highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
