"""A cluster in memory: what a plan asks for is done, and what it says is written.

It keeps what the runtime keeps and in the same way: evidence in memory from one reading to the next, in status when the
plan says so, and read back from there after a crash. A status goes through JSON, as it would on its way to the API
server. Requests are counted for each revision by the route (or by the ratio of ready pods) as it is at that time.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from modelrollout.api.base import seconds
from modelrollout.api.group import LABEL_REVISION
from modelrollout.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from modelrollout.api.modelrevision import ModelRevisionStatus
from modelrollout.api.revision import child_name
from modelrollout.api.rolloutaction import Verb
from modelrollout.evidence import Counts, Interval
from modelrollout.plan import Observation, Plan, plan
from modelrollout.plan.actions import (
    Action,
    ApplyConfig,
    ApplyEntry,
    ApplyRoute,
    ApplyService,
    ApplyWorkload,
    CreateRevision,
    RemoveRequest,
    RemoveRevision,
    RemoveRoute,
    RemoveWorkload,
)
from modelrollout.plan.alerts import Firing
from modelrollout.plan.gates import restored
from modelrollout.plan.observation import (
    ActionView,
    CandidateEvidence,
    Reading,
    RevisionView,
    RouteView,
    ServiceView,
    Trouble,
    Unreadable,
    WorkloadView,
)
from modelrollout.plan.watch import watched
from tests.builders import NAME, NOW, asked, observation, pod, revision_spec, selector

ROUNDS = 8
"""Plans in a row after which nothing may be left to do while no time passes and nothing else changes; and one more for
each action that somebody asks for."""


class World:
    def __init__(self, spec: ModelDeploymentSpec, *, requests_per_second: float = 400) -> None:
        self.now = NOW
        self.spec = spec
        self.generation = 1
        self.status = ModelDeploymentStatus()
        self.revisions: dict[str, RevisionView] = {}
        self.specs: dict[str, ModelDeploymentSpec] = {}
        self.entry: ServiceView | None = None
        self.route: RouteView | None = None
        self.requests_per_second = requests_per_second
        self.bad_share: dict[str, float] = {}
        self.metrics: dict[str, dict[str, float]] = {}
        self.writes = 0
        self.actions: list[ActionView] = []
        self.firing: list[Firing] = []
        self._served: dict[str, Counts] = {}
        self._counters: dict[datetime, dict[str, Counts]] = {}
        self._memory: CandidateEvidence | None = None
        self._tick: datetime | Unreadable | None = None

    # What happens in the world

    def edit(self, spec: ModelDeploymentSpec) -> None:
        if spec != self.spec:
            self.spec = spec
            self.generation += 1

    def start_pods(self) -> None:
        """All pods that were asked for and are not in trouble become ready."""
        for id, view in self.revisions.items():
            if view.workload is not None and not view.pods:
                self.revisions[id] = replace(view, workload=replace(view.workload, ready=view.workload.replicas))

    def trouble(self, id: str, trouble: Trouble) -> None:
        """A pod of this revision cannot run, if it has any."""
        view = self.revisions.get(id)
        if view is not None and view.workload is not None and view.workload.replicas > 0:
            workload = replace(view.workload, ready=min(view.workload.ready, view.workload.replicas - 1))
            self.revisions[id] = replace(view, workload=workload, pods=(pod(trouble, of=self.specs[id]),))

    def mend(self) -> None:
        for id, view in self.revisions.items():
            self.revisions[id] = replace(view, pods=())

    def pass_time(self, seconds: float) -> None:
        """Users send requests, and each revision answers those that reach it."""
        self.now += timedelta(seconds=seconds)
        for id, share in self.shares().items():
            total = self.requests_per_second * seconds * share
            served = Counts(total=total, bad=total * self.bad_share.get(id, 0.0))
            self._served[id] = self._served.get(id, Counts()) + served

    def read(self) -> None:
        """Prometheus answers the metrics hub."""
        self._counters[self.now] = dict(self._served)
        self._tick = self.now

    def fail_to_read(self) -> None:
        self._tick = Unreadable("connection refused")

    def forget(self) -> None:
        """The process is killed and starts again."""
        self._memory = None
        self._tick = None

    # What can be seen of it

    def shares(self) -> dict[str, float]:
        """Share of the users' requests that each revision gets; a mirror gets a copy of all."""
        if self.route is not None:
            found = {self.id_of(to.service): to.weight / 100 for to in self.route.backends}
            if self.route.mirror is not None:
                found[self.id_of(self.route.mirror.service)] = 1.0
            return found
        if self.entry is None:
            return {}
        only = self.entry.selector.get(LABEL_REVISION)
        behind = {id: view.ready for id, view in self.revisions.items() if only in (None, id)}
        pods = sum(behind.values())
        return {id: ready / pods for id, ready in behind.items()} if pods else {}

    def weight(self, id: str | None) -> int:
        """The revision's weight in the route, in percent."""
        backends = self.route.backends if self.route else ()
        return sum(to.weight for to in backends if id and to.service == child_name(NAME, id))

    def served(self, id: str) -> float:
        return self._served.get(id, Counts()).total

    def id_of(self, service: str) -> str:
        return service.removeprefix(f"{NAME}-")

    # What the operator does

    def observe(self) -> Observation:
        evidence, reading = self._read()
        return replace(
            observation(self.spec, *self.revisions.values(), status=self.status, entry=self.entry, route=self.route),
            generation=self.generation,
            evidence=evidence,
            reading=reading,
            actions=tuple(self.actions),
            metrics=dict(self.metrics),
            firing=tuple(self.firing),
        )

    def reconcile(self, *, cut_after: int | None = None) -> Plan:
        """Plan and do it; with `cut_after` the process dies after so many actions, before the status is written."""
        observed = self.observe()
        planned = plan(observed, self.now)
        # Prometheus knows what any time was like, also that at which evidence of an earlier rollout was taken up.
        self._counters.setdefault(self.now, dict(self._served))
        self._remember(planned, consumed=isinstance(observed.reading, Reading))
        for action in planned.actions[:cut_after]:
            self._act(action, target=observed.target)
        if cut_after is not None:
            self.forget()
            return planned
        self._write(planned)
        return planned

    def changes_nothing(self, planned: Plan) -> bool:
        known = {id: status for id, status in planned.revisions.items() if id in self.revisions}
        return not planned.actions and planned.status == self.status and not known and not planned.answers

    def settle(self) -> list[Plan]:
        """Plan until there is nothing left to do at this moment."""
        plans: list[Plan] = []
        waiting = sum(not action.answered for action in self.actions)
        for _ in range(ROUNDS + waiting):
            planned = plan(self.observe(), self.now)
            if self.changes_nothing(planned) and not isinstance(self.observe().reading, Reading):
                return plans
            plans.append(self.reconcile())
        last = plans[-1]
        raise AssertionError(f"still busy after {ROUNDS} plans: {last.actions}, {last.status}, {last.revisions}")

    def run(self, seconds_: float) -> list[Plan]:
        """Ticks of the metrics hub at the policy's interval, with pods that start by themselves."""
        plans: list[Plan] = []
        interval = seconds(self.spec.rollout.interval)
        for _ in range(round(seconds_ / interval)):
            self.pass_time(interval)
            self.start_pods()
            plans += self.settle()
            self.read()
            plans += self.settle()
        return plans

    def _read(self) -> tuple[CandidateEvidence | None, Reading | Unreadable | None]:
        candidate = self.revisions.get(self.status.candidate or "")
        stable = self.status.stable
        looked_at = watched(self.spec, self.status.stage).rollout.gates
        target = observation(self.spec).target
        if not looked_at or candidate is None or stable is None or candidate.id != target:
            return None, None
        if self._memory is None or self._memory.revision != candidate.id:
            written = candidate.status.evidence
            self._memory = restored(written, revision=candidate.id) if written else None
        known = self._memory
        if isinstance(self._tick, Unreadable):
            return known, self._tick
        if self._tick is None or (known is not None and self._tick <= known.evaluated_at):
            return known, None
        before = self._counters[known.evaluated_at] if known else self._counters[self._tick]
        after = self._counters[self._tick]
        served = Interval(candidate=_since(before, after, candidate.id), stable=_since(before, after, stable))
        return known, Reading(at=self._tick, intervals={gate.name: served for gate in looked_at})

    def _remember(self, planned: Plan, *, consumed: bool) -> None:
        if planned.evidence is None or not planned.wants_readings:
            self._memory = None
        elif consumed:
            self._memory = planned.evidence
        if not planned.wants_readings:
            self._tick = None

    def _act(self, action: Action, *, target: str) -> None:
        match action:
            case ApplyRoute(route):
                self.route = route
            case RemoveRoute():
                self.route = None
            case ApplyEntry(selector=wanted, port=port):
                self.entry = ServiceView(selector=wanted, port=port)
            case CreateRevision(revision=id):
                assert id == target, "only the content of the spec can be made a revision"
                self.specs[id] = self.spec
                self.revisions[id] = RevisionView(id=id, spec=revision_spec(self.spec))
            case ApplyService(revision=id):
                service = ServiceView(selector=selector(id), port=self.revisions[id].spec.serving.port)
                self.revisions[id] = replace(self.revisions[id], service=service)
            case ApplyWorkload(revision=id, replicas=replicas):
                ready = min(replicas, self.revisions[id].ready)
                self.revisions[id] = replace(self.revisions[id], workload=WorkloadView(replicas=replicas, ready=ready))
            case RemoveWorkload(revision=id):
                self.revisions[id] = replace(self.revisions[id], workload=None, service=None, pods=())
            case RemoveRevision(revision=id):
                del self.revisions[id]
            case ApplyConfig() | RemoveRequest():
                raise AssertionError(f"nothing here is configured or asked for: {action}")

    def ask(self, verb: Verb, **said: Any) -> None:
        self.actions.append(asked(verb, number=len(self.actions) + 1, created_at=self.now, **said))

    def _write(self, planned: Plan) -> None:
        for id, status in planned.revisions.items():
            if id in self.revisions:
                written = ModelRevisionStatus.model_validate(status.model_dump(mode="json", by_alias=True))
                self.revisions[id] = replace(self.revisions[id], status=written)
                self.writes += 1
        if planned.status != self.status:
            self.status = ModelDeploymentStatus.model_validate(planned.status.model_dump(mode="json", by_alias=True))
            self.writes += 1
        told = {answer.uid for answer in planned.answers}
        self.actions = [replace(one, answered=True) if one.uid in told else one for one in self.actions]


def _since(before: dict[str, Counts], after: dict[str, Counts], id: str) -> Counts:
    old, new = before.get(id, Counts()), after.get(id, Counts())
    return Counts(total=max(0.0, new.total - old.total), bad=max(0.0, new.bad - old.bad))
