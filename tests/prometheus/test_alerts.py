"""The query for alerts against rules of a real Prometheus: what fires, since when, and what is not asked for."""

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from modelrollout.adapters.clock import SystemClock
from modelrollout.adapters.prometheus import PrometheusSource, PrometheusUnavailable, Series
from modelrollout.plan.alerts import Firing, Selector
from modelrollout.runtime import firing
from tests.prometheus.conftest import program

PATIENCE_SECONDS = 60.0
PAGES = Selector(equal=(("severity", "page"),))
SICK = {"namespace": "payments", "pod": 'fraud-0123456789-"7d9c"-\\'}
RULES = {
    "groups": [
        {
            "name": "models",
            "rules": [
                {"alert": "Sick", "expr": "model_sick > 0", "labels": {"severity": "page"}},
                {"alert": "SickForLong", "expr": "model_sick > 0", "for": "1h", "labels": {"severity": "page"}},
                {"alert": "SickTicket", "expr": "model_sick > 0", "labels": {"severity": "ticket"}},
            ],
        }
    ]
}


@dataclass
class Ward:
    """A Prometheus whose rules look at one gauge; `sick` is what it is."""

    url: str = ""
    sick: int = 0
    log: list[str] = field(default_factory=list)

    def fires(self, *selectors: Selector) -> Mapping[Selector, tuple[Firing, ...]]:
        """As the hub asks."""

        async def ask() -> firing.Alerts | str:
            async with PrometheusSource(self.url, clock=SystemClock()) as source:

                async def query(text: str, at: datetime) -> tuple[Series, ...] | str:
                    try:
                        return await source.instant(text, at)
                    except PrometheusUnavailable as error:
                        return error.reason

                return await firing.ask(selectors, datetime.now(UTC), prometheus=query, alertmanager=None)

        found = asyncio.run(ask())
        assert not isinstance(found, str), found
        return {one: firing.of(found, [one], SICK["namespace"]) for one in selectors}

    def until_it_fires(self, selector: Selector, *, is_so: bool = True) -> tuple[Firing, ...]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while bool(found := self.fires(selector)[selector]) is not is_so:
            assert time.monotonic() < deadline, "the rule does not do what it should"
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    made, folder = Ward(), tmp_path_factory.mktemp("ward")

    class Exposition(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(f"model_sick {made.sick}\n".encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "rules.yml").write_text(yaml.safe_dump(RULES))
    (folder / "prometheus.yml").write_text(_config(folder, f"127.0.0.1:{server.server_port}"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made.url = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [
        str(program()),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={made.url.removeprefix('http://')}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_until_it_answers(made, process)
            yield made
        finally:
            process.terminate()
            server.shutdown()
            server.server_close()


def _config(folder: Path, target: str) -> str:
    often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    job = {"job_name": "model", "static_configs": [{"targets": [target], "labels": SICK}]}
    return yaml.safe_dump({"global": often, "rule_files": [str(folder / "rules.yml")], "scrape_configs": [job]})


def _wait_until_it_answers(ward: Ward, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            ward.fires(PAGES)
        except AssertionError:
            assert process.poll() is None
            assert time.monotonic() < deadline, "Prometheus does not answer"
            time.sleep(0.2)
        else:
            return


def test_what_fires_is_told_with_its_labels_and_since_when(ward: Ward) -> None:
    assert ward.fires(PAGES)[PAGES] == ()
    began = datetime.now(UTC)
    ward.sick = 1
    (alert,) = ward.until_it_fires(PAGES)
    assert alert.name == "Sick", "what is pending does not fire, and what nobody named is not asked for"
    assert {name: alert.labels[name] for name in SICK} == SICK
    assert "__name__" not in alert.labels
    assert "alertstate" not in alert.labels
    assert began - timedelta(seconds=1) <= alert.starts_at <= datetime.now(UTC)

    everything = [
        PAGES,
        Selector(equal=(("severity", "ticket"),)),
        Selector(matching=(("alertname", "Sick.*"), ("pod", r'fraud-[0-9a-f]{10}-"7d9c"-\\'))),
        Selector(equal=tuple(sorted(SICK.items()))),
        Selector(equal=(("severity", 'page"} or ALERTS{x="'),)),
    ]
    names = [{one.name for one in found} for found in ward.fires(*everything).values()]
    assert names == [{"Sick"}, {"SickTicket"}, {"Sick", "SickTicket"}, {"Sick", "SickTicket"}, set()]

    ward.sick = 0
    assert ward.until_it_fires(PAGES, is_so=False) == ()
