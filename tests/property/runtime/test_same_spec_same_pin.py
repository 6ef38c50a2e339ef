"""The same spec never means something else, whatever the registry does and however often the operator starts anew.

Hypothesis moves aliases, takes the registry away, edits the spec back and forth, promotes and rolls back, removes old
revisions and kills the process. The resolver and the rule that it asks first are the real ones.
"""

import asyncio
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentStatus
from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.registry import Follow
from modelrollout.api.revision import digest, short
from modelrollout.plan.observation import RevisionView, Wanted
from modelrollout.plan.snapshot import snapshot
from modelrollout.runtime.resolver import POLL_SECONDS, Resolution, Resolver
from tests.builders import NAME, NAMESPACE, NOW, spec
from tests.clock import ManualClock
from tests.faults.registry import MemoryRegistry, registered

KEY = (NAMESPACE, NAME)
VERSIONS = ("1", "2", "3")
URIS = ("models:/fraud@champion", "models:/fraud@staging", "models:/fraud/2")


class AnyRegistry(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.registry = MemoryRegistry(self.clock)
        self.registry.register(*(registered(version) for version in VERSIONS))
        self.resolver = self._started()
        self.revisions: dict[str, RevisionView] = {}
        self.status = ModelDeploymentStatus()
        self.model = Model(name="fraud", uri=URIS[0])
        self.meant: dict[str, str] = {}
        """What each `spec.model` that follows nothing was first rolled out as."""

    def _started(self) -> Resolver:
        return Resolver(self.registry, self.clock, lambda _: None)

    @initialize(champion=st.sampled_from(VERSIONS), staging=st.sampled_from(VERSIONS))
    def aliases_are_set(self, champion: str, staging: str) -> None:
        self.registry.move("champion", champion)
        self.registry.move("staging", staging)

    @rule(alias=st.sampled_from(("champion", "staging")), version=st.sampled_from(VERSIONS))
    def somebody_moves_an_alias(self, alias: str, version: str) -> None:
        self.registry.move(alias, version)

    @rule(alias=st.sampled_from(("champion", "staging")))
    def an_alias_vanishes(self, alias: str) -> None:
        self.registry.alias.pop(("fraud", alias), None)

    @rule(down=st.booleans())
    def the_registry_comes_and_goes(self, down: bool) -> None:
        self.registry.goes_down() if down else self.registry.comes_back()

    @rule(uri=st.sampled_from(URIS), changelog=st.sampled_from((None, "better")), follow=st.booleans())
    def somebody_edits_the_model(self, uri: str, changelog: str | None, follow: bool) -> None:
        follows = Follow.ALIAS if follow and "@" in uri else None
        self.model = Model(name="fraud", uri=uri, changelog=changelog, follow=follows)

    @rule()
    def the_process_is_killed(self) -> None:
        self.resolver = self._started()

    @rule()
    def the_registry_is_asked(self) -> None:
        self.clock.advance(POLL_SECONDS + 1)
        self.resolve()
        asyncio.run(self.resolver.once())

    @rule()
    def the_operator_rolls_out_what_is_wanted(self) -> None:
        found = self.resolve().registered
        if found is None:
            return
        of = spec().model_copy(update={"model": self.model})
        id = short(digest(of.model, of.serving, None, found.pin))
        if id not in self.revisions:
            kept = ModelRevisionSpec.model_validate(snapshot(NAME, of, Wanted(registered=found)))
            made = NOW + timedelta(seconds=self.clock.monotonic())
            self.revisions[id] = RevisionView(id=id, spec=kept, created_at=made)
        self.status = self.status.model_copy(
            update={"candidate": id if id != self.status.stable else None, "rejected": None}
        )
        if self.model.follow is None:
            self.meant.setdefault(self.model.model_dump_json(), id)

    @precondition(lambda self: self.status.candidate)
    @rule(good=st.booleans())
    def the_rollout_ends(self, good: bool) -> None:
        candidate = self.status.candidate
        ended = {"stable": candidate} if good else {"rejected": candidate}
        self.status = self.status.model_copy(update={"candidate": None, **ended})

    def resolve(self) -> Resolution:
        return self.resolver.resolve(KEY, self.model, revisions=self.revisions.values(), status=self.status)

    @invariant()
    def a_spec_that_was_rolled_out_means_what_it_meant(self) -> None:
        """Unless it followed its alias in between, and so was rolled out as something else by wish of its author."""
        meant = self.meant.get(self.model.model_dump_json())
        if self.model.follow is not None or meant is None or self._followed():
            return
        found = self.resolve().registered
        assert found is not None, "the registry is needed for nothing that was resolved"
        assert found.pin == self.revisions[meant].spec.model.pin

    def _followed(self) -> bool:
        asked = {view.spec.registry.asked for view in self.revisions.values() if view.spec.registry is not None}
        return len(asked) < len(self.revisions)

    @invariant()
    def what_is_followed_is_never_lost(self) -> None:
        """Once something is rolled out, silence of the registry leaves something to go on with."""
        known = [view for view in self.revisions.values() if view.spec.model.uri == self.model.uri]
        same = [view for view in known if view.spec.model.changelog == self.model.changelog]
        if self.model.follow is not None and same:
            assert self.resolve().registered is not None


AnyRegistry.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True, database=None
)
TestAnyRegistry = AnyRegistry.TestCase
