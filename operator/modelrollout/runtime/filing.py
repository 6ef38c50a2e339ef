"""From alerts that were sent to RolloutActions: what was heard is kept by the API server before it is acknowledged.

An alternative would be to answer 503 until the leader has decided, and to keep nothing: Alertmanager sends again. But
then whom it reaches decides how fast the way back is, and while nobody leads, or the leader is at its start, nothing is
heard at all. An action can be made by any replica, leader or standby; it survives them both; it is where people look
for who asked for what; and the leader finds it as it finds what people ask. The price is a right of the operator to
make actions, which admission narrows to those of alerts (verb `alert`).

An action is named after the alert's labels, its start and the deployment, so that the same alert sent again, or to the
other replica, is the same action. One alert is enough for a version: of many that come together the first is filed, and
while that one waits to be answered, others about the same version are to come again a moment later. Where alerts take
nothing back and a person is asked, one is enough for each entry that asks. What comes of an action is judged when it is
heard, so all of them say Rollback, which is the most that an alert can ask for. Whatever has resolved before it was
answered is withdrawn, and what nobody answered within some minutes has expired: a firing alert is found by the query as
well (`runtime.firing`).
"""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import ROLLOUT_ACTIONS, Conflict, JsonObject, KubernetesApi, NotFound
from modelrollout.api.group import API_VERSION, ROLLOUT_ACTION
from modelrollout.api.rolloutaction import Answer, RolloutActionSpec, RolloutActionStatus, Verb
from modelrollout.plan.alarm import sentence
from modelrollout.plan.alerts import Complaint, Firing, Watched, complaint, names_of_live, places
from modelrollout.runtime.directory import Directory
from modelrollout.runtime.payload import Payload

log = logging.getLogger(__name__)

EXPIRES_AFTER = timedelta(minutes=5)
TRIES = 5
"""Alerts about one version of which one is filed: an action of the first may have been refused already."""

WAITS_SECONDS = 5.0
"""For so long the first action about a version is waited for before another one is made."""

OnAlerts = Callable[[str, int], None]
"""Called with what came of some alerts: `filed`, `known`, `ignored`, `withdrawn` or `invalid`; and their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """Namespaces and names of the actions that stand for a payload. `again`: it must be sent once more."""

    actions: tuple[str, ...] = ()
    again: bool = False


class Filing:
    def __init__(
        self, *, api: KubernetesApi, directory: Directory, clock: Clock, account: str, on_alerts: OnAlerts
    ) -> None:
        self._api = api
        self._directory = directory
        self._clock = clock
        self._account = account
        self._on_alerts = on_alerts
        self._waiting: dict[tuple[str, str, str, str], tuple[str, float]] = {}

    async def take(self, payload: Payload) -> Filed:
        """Raises ApiError; who sent it must send it again then."""
        listening = await self._directory.listening()
        firing, resolved = _by_place(payload.firing), _by_place(payload.resolved)
        actions: list[str] = []
        again = False
        for watched in listening:
            await asyncio.sleep(0)  # many alerts for many rollouts: others want their turn
            await self._withdraw(watched, _of(resolved, watched))
            for found in self._complaints(watched, _of(firing, watched)):
                if self._is_waited_for(watched, found):
                    again = True
                else:
                    actions.append(f"{watched.namespace}/{await self._file(watched, found)}")
        if not again:
            self._on_alerts("ignored", max(0, len(payload.firing) - len(actions)))
            self._on_alerts("invalid", payload.invalid)
        return Filed(actions=tuple(actions), again=again)

    def _complaints(self, watched: Watched, alerts: Sequence[Firing]) -> list[Sequence[Complaint]]:
        """Those that count, by what each action is to ask for: a version back, or else a review, entry by entry.

        Oldest first, so that the same alerts in another order are the same action.
        """
        of_live, now = names_of_live(alerts, watched), self._clock.now()
        answers = (complaint(alert, watched, now=now, of_live=of_live) for alert in alerts)
        found = [answer for answer in answers if isinstance(answer, Complaint)]
        asking: dict[str, list[Complaint]] = defaultdict(list)
        for one in sorted(found, key=lambda one: (one.alert.starts_at, _canonical(one.alert.labels))):
            asking[_entry(one)].append(one)
        back = asking.get("")
        return [back[:TRIES]] if back else [those[:TRIES] for those in asking.values()]

    def _is_waited_for(self, watched: Watched, found: Sequence[Complaint]) -> bool:
        """Whether another alert that asks for the same was filed a moment ago."""
        now = self._clock.monotonic()
        self._waiting = {about: one for about, one in self._waiting.items() if now - one[1] < WAITS_SECONDS}
        first = self._waiting.get((watched.namespace, watched.name, found[0].revision, _entry(found[0])))
        return first is not None and first[0] not in {action_name(watched, one.alert) for one in found}

    async def _file(self, watched: Watched, found: Sequence[Complaint]) -> str:
        """The name of the action that stands for them: of the first that has none, or whose action still waits."""
        for one in found:
            body = self._manifest(watched, one)
            name: str = body["metadata"]["name"]
            try:
                await self._api.create(ROLLOUT_ACTIONS, body)
            except Conflict:
                if await self._is_answered(watched.namespace, name):
                    continue
                self._on_alerts("known", 1)
            else:
                self._on_alerts("filed", 1)
                log.info("%s/%s: filed %s: %s", watched.namespace, watched.name, name, body["spec"]["reason"])
            about = watched.namespace, watched.name, one.revision, _entry(one)
            self._waiting[about] = name, self._clock.monotonic()
            return name
        self._on_alerts("known", 1)
        return action_name(watched, found[0].alert)

    async def _is_answered(self, namespace: str, name: str) -> bool:
        action = await self._api.get(ROLLOUT_ACTIONS, namespace=namespace, name=name)
        return bool(((action or {}).get("status") or {}).get("outcome"))

    def _manifest(self, watched: Watched, found: Complaint) -> JsonObject:
        spec = RolloutActionSpec(
            deployment=watched.name,
            action=Verb.ROLLBACK,
            requested_by=self._account,
            reason=_plain(sentence(found)),
            alert=found.record,
            expires_at=(self._clock.now() + EXPIRES_AFTER).replace(microsecond=0),
        )
        return {
            "apiVersion": API_VERSION,
            "kind": ROLLOUT_ACTION,
            "metadata": {"name": action_name(watched, found.alert), "namespace": watched.namespace},
            "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        }

    async def _withdraw(self, watched: Watched, resolved: Iterable[Firing]) -> None:
        """What has not been answered yet of alerts that are over."""
        names = {
            action_name(watched, alert)
            for alert in resolved
            if any(selector.matches(alert.labels) for _, selector in watched.selectors)
        }
        if not names:
            return
        for action in await self._api.list(ROLLOUT_ACTIONS, namespace=watched.namespace):
            metadata = action["metadata"]
            if metadata["name"] not in names or (action.get("status") or {}).get("outcome"):
                continue
            status = RolloutActionStatus(
                outcome=Answer.REFUSED, message="the alert was over before it was looked at", at=self._clock.now()
            )
            with contextlib.suppress(Conflict, NotFound):  # it is being answered, which is as well
                await self._api.patch_status(
                    ROLLOUT_ACTIONS,
                    namespace=metadata["namespace"],
                    name=metadata["name"],
                    resource_version=metadata["resourceVersion"],
                    status=status.model_dump(mode="json", by_alias=True),
                )
                self._on_alerts("withdrawn", 1)


def action_name(watched: Watched, alert: Firing) -> str:
    whose = [watched.namespace, watched.name, _canonical(alert.labels), alert.starts_at.astimezone(UTC).isoformat()]
    return f"{watched.name}-alert-{hashlib.sha256(json.dumps(whose).encode()).hexdigest()[:12]}"


def _entry(found: Complaint) -> str:
    """The entry that asks for a review; none where a version is to be taken back, which leaves nothing to review."""
    return found.policy.name if found.review else ""


def _canonical(labels: Mapping[str, str]) -> str:
    return json.dumps(labels, sort_keys=True)


def _plain(text: str) -> str:
    """Values of labels may hold anything; a reason is a line of text."""
    return "".join(character if character.isprintable() else " " for character in text)[:1000]


def _by_place(alerts: Iterable[Firing]) -> Mapping[str, Sequence[Firing]]:
    found: dict[str, list[Firing]] = defaultdict(list)
    for alert in alerts:
        for place in places(alert.labels) or ("",):
            found[place].append(alert)
    return found


def _of(alerts: Mapping[str, Sequence[Firing]], watched: Watched) -> Sequence[Firing]:
    return [*alerts.get(watched.namespace, ()), *alerts.get("", ())]
