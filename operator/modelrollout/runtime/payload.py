"""What Alertmanager sends to a webhook (version 4), as far as it is read here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from modelrollout.api.alerts import bounded
from modelrollout.plan.alerts import Firing
from modelrollout.runtime.projections import sentence

MAX_ALERTS = 1000


class _Alert(BaseModel):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]


class _Payload(BaseModel):
    version: Literal["4"]
    alerts: list[Any]


class PayloadError(ValueError):
    """Not a payload that is understood; the message is for who configures Alertmanager."""


class TooManyAlertsError(PayloadError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """`invalid` counts the alerts that could not be read: one of them is no reason to be deaf to the others."""

    firing: tuple[Firing, ...]
    resolved: tuple[Firing, ...]
    invalid: int = 0


def read(raw: bytes) -> Payload:
    """Raises PayloadError."""
    try:
        payload = _Payload.model_validate_json(raw)
    except ValidationError as error:
        raise PayloadError(f"this is no webhook payload of version 4: {sentence(error)[:500]}") from error
    if len(payload.alerts) > MAX_ALERTS:
        raise TooManyAlertsError(
            f"{len(payload.alerts)} alerts are more than {MAX_ALERTS}; set max_alerts: {MAX_ALERTS} in webhook_configs"
        )
    alerts = list(_readable(payload.alerts))
    return Payload(
        firing=tuple(_told(alert) for alert in alerts if alert.status == "firing"),
        resolved=tuple(_told(alert) for alert in alerts if alert.status == "resolved"),
        invalid=len(payload.alerts) - len(alerts),
    )


def _readable(alerts: list[Any]) -> Iterator[_Alert]:
    for alert in alerts:
        try:
            yield _Alert.model_validate(alert)
        except ValidationError:
            continue


def _told(alert: _Alert) -> Firing:
    return Firing(bounded(alert.labels), alert.starts_at.astimezone(UTC))
