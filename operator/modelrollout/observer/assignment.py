"""What the settings of the moment mean: which versions, which requests, compared how."""

from modelrollout.adapters.clock import Clock
from modelrollout.api.base import seconds
from modelrollout.api.observe import Protocol
from modelrollout.api.observer import Arm, ObserverSettings
from modelrollout.observer.answers import Message, unpacked
from modelrollout.observer.compare import Comparator
from modelrollout.observer.counting import Documents
from modelrollout.observer.guard import Guard, Side
from modelrollout.observer.pending import Sampled
from modelrollout.observer.redaction import Redaction
from modelrollout.observer.sampling import TokenBucket
from modelrollout.observer.telemetry import Names

_PATHS = {Protocol.OPEN_INFERENCE: "/infer", Protocol.KSERVE_V1: ":predict", Protocol.JSON: "", Protocol.OPENAI: ""}
"""How the path of an inference ends, where a protocol says so. Health checks and metadata are copied too."""

_BINARY = "application/octet-stream"
_JSON = "application/json"


class Assignment:
    """Made anew with each change of the settings."""

    def __init__(self, settings: ObserverSettings, clock: Clock) -> None:
        observe = settings.observe
        self.settings = settings
        self.protocol = observe.protocol or Protocol.JSON
        self.names = Names(
            deployment=settings.deployment,
            live=settings.live.revision,
            candidate=settings.candidate.revision if settings.candidate else "",
        )
        self.comparator = Comparator.of(observe.compare, self.protocol)
        self.redaction = Redaction(observe.redact)
        self.documents = Documents.read(contract=settings.contract, reference=settings.reference)
        self.timeout = seconds(observe.timeout)
        self.longest = observe.max_body_bytes
        self.keep = frozenset(name.lower() for name in observe.keep_headers)
        self.bucket = TokenBucket(observe.sample.per_second, clock)
        self.guards = {side: Guard(clock) for side in Side}

    @property
    def live(self) -> Arm:
        return self.settings.live

    @property
    def candidate(self) -> Arm | None:
        """None: nothing is sent a second time."""
        return self.settings.candidate

    @property
    def noise_share(self) -> float:
        return self.settings.observe.noise_share

    @property
    def share(self) -> float:
        """Of the requests that are looked at: none where nothing would be compared or counted."""
        observe = self.settings.observe
        if self.candidate is not None:
            return observe.sample.share
        return observe.monitoring.share if observe.monitoring and self.documents else 0.0

    @property
    def about(self) -> Arm:
        """The version whose contract and reference these are."""
        return self.candidate or self.live

    @property
    def compared(self) -> tuple[str, ...]:
        """Revisions that answer replayed requests."""
        return (self.live.revision, self.candidate.revision) if self.candidate else ()

    def message(self, sampled: Sampled) -> Message:
        """What was asked; raises UnreadableError."""
        headers = {name.lower(): value for name, value in sampled.headers}
        whole = unpacked(sampled.body, headers.get("content-encoding", ""), longest=self.longest)
        return Message.of(whole, headers)

    @property
    def pausing(self) -> bool:
        return any(guard.pausing for guard in self.guards.values())

    def is_inference(self, method: str, path: str) -> bool:
        """With plain JSON a GET may be one as well: its query is the request."""
        asks = method == "POST" or (method == "GET" and self.protocol is Protocol.JSON)
        return asks and path.startswith("/") and path.endswith(_PATHS[self.protocol])

    def is_readable(self, method: str, content_type: str) -> bool:
        if method == "GET" or content_type == _JSON or content_type.endswith("+json"):
            return True
        return content_type == _BINARY and self.protocol is Protocol.OPEN_INFERENCE
