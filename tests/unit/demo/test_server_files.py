"""What the image is built from: the rows that users send, and the metrics that the real server was seen to export."""

import json
import math
import re
from pathlib import Path

from demo.load import HELDOUT, read_rows

SERVER = Path(__file__).parents[3] / "demo" / "server"
AREA = 3
LARGEST_AREA_KEPT = 1200.0


def test_held_out_rows_are_whole() -> None:
    document = json.loads(HELDOUT.read_text())
    rows = read_rows()
    assert len(document["features"]) == 30
    assert len(rows) == len(document["labels"]) == 228
    assert {len(row) for row in rows} == {30}
    assert all(math.isfinite(value) for row in rows for value in row)
    assert set(document["labels"]) == {0, 1}
    assert document["features"][AREA] == "mean area"


def test_v3_meets_the_rows_that_it_raises_on_often_enough_to_be_found() -> None:
    rows = read_rows()
    share = sum(row[AREA] >= LARGEST_AREA_KEPT for row in rows) / len(rows)
    assert 0.08 <= share <= 0.15


def test_recorded_metrics_tell_requests_of_users_from_probes_and_failures_from_bad_requests() -> None:
    series = re.findall(r"^rest_server_requests_total\{(.+)\} (\S+)$", (SERVER / "exposition.txt").read_text(), re.M)
    found = {
        (labels["path"], labels["status_code"]): float(value)
        for text, value in series
        for labels in [dict(re.findall(r'(\w+)="([^"]*)"', text))]
    }
    infer = "/v2/models/{model_name}/infer"
    assert {status for path, status in found if path == infer} == {"200", "404", "422", "500"}
    assert ("/v2/models/{model_name}/ready", "200") in found
    assert not any("health" in path for path, _ in found)


def test_lock_file_is_hashed_and_names_no_host() -> None:
    lock = (SERVER / "requirements.lock").read_text()
    assert "://" not in lock
    pins = re.findall(r"^([a-z0-9-]+)==", lock, re.M)
    blocks = re.split(r"^(?=[a-z0-9-]+==)", lock, flags=re.M)[1:]
    assert {"mlserver", "mlserver-sklearn"} <= set(pins)
    assert all("--hash=sha256:" in block for block in blocks)
