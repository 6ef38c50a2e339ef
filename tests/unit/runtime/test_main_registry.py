"""What a process without the client, or with an address that cannot be used, says at its start."""

import importlib
from typing import Any

import pytest

from modelrollout.adapters.kubernetes import NotConfiguredError
from modelrollout.runtime import main
from modelrollout.runtime.settings import parse
from modelrollout.runtime.telemetry import Telemetry


def registry(*arguments: str) -> object:
    return main._registry(parse(list(arguments), environ={}), Telemetry())


def test_none_where_none_is_configured_and_the_client_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"{name} was imported"))

    assert registry() is None


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("mlflow"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)

    with pytest.raises(NotConfiguredError, match=r"install modelrollout-operator\[mlflow\], or leave --mlflow out"):
        registry("--mlflow", "http://mlflow:5000")


def test_an_address_with_credentials_ends_the_process_with_the_remedy() -> None:
    with pytest.raises(NotConfiguredError, match="must hold no credentials: set MLFLOW_TRACKING_USERNAME"):
        registry("--mlflow", "http://operator:hunter2@mlflow:5000")
