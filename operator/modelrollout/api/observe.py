"""What the observer beside a rollout looks at: which requests it sends a second time, and how it compares the answers.

The observer is off the path of requests: the gateway copies to it, it asks live version and candidate the same,
compares what they say and forgets it. Requests are served twice for that, so the user has to say that serving changes
nothing.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType, Duration
from modelrollout.api.rules import Rule, matching, rule

OutputName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
HeaderName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    matching(r"^[A-Za-z0-9_-]+$", "must be the name of a request header, such as x-tenant"),
]
# Letters, indices and stars only: no filters and no recursion, so that a path costs what it is long.
JsonPath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    matching(
        r'^[$]([.][A-Za-z_][A-Za-z0-9_-]*|\["[^"\[\]]+"\]|\[[0-9]{1,6}\]|\[[*]\])*$',
        'must be a path of names, ["names"], [indices] and [*] from $, such as $.answer.scores[0]',
    ),
]


class SideEffects(StrEnum):
    """What serving a request does beside answering it."""

    NONE = "None"


class Protocol(StrEnum):
    """How requests and answers are read."""

    OPEN_INFERENCE = "OpenInference"
    KSERVE_V1 = "KServeV1"
    JSON = "JSON"
    OPENAI = "OpenAI"


class By(StrEnum):
    """How two answers are compared."""

    EXACT = "Exact"
    LABEL = "Label"
    TOP_K = "TopK"
    NUMERIC = "Numeric"
    TEXT = "Text"


class Sample(ApiType):
    """Which of the copied requests are sent a second time."""

    per_second: Annotated[float, Field(gt=0, le=1000, description="Sampled requests a second, at most.")] = 20.0
    share: Annotated[
        float,
        Field(gt=0, le=1, description="Share of the requests that may be sampled, chosen by hash of the request id."),
    ] = 1.0


class Comparison(ApiType):
    """One output of the answers, and when two of them agree."""

    output: Annotated[
        OutputName | None,
        Field(
            description="Name of the output: of the tensor (OpenInference), of the key (KServeV1, JSON), or one of "
            "text, length, refusal, finish and tools (OpenAI)."
        ),
    ] = None
    path: Annotated[JsonPath | None, Field(description="Instead of output: where in the JSON of the answer it is.")] = (
        None
    )
    name: Annotated[
        OutputName | None, Field(description="Name in metrics, gates and examples; that of the output when left out.")
    ] = None
    by: Annotated[
        By | None,
        Field(
            description="Exact: equal. Label: the same largest element in each row. TopK: enough of the k largest "
            "elements in common. Numeric: every number within a tolerance. Text: equal but for case, white space and "
            "Unicode form. When left out: Numeric for numbers with a fraction, else Exact."
        ),
    ] = None
    k: Annotated[
        Annotated[int, Field(ge=1, le=1000)] | None, Field(description="TopK: how many of the largest elements.")
    ] = None
    min_overlap: Annotated[
        Annotated[int, Field(ge=1, le=1000)] | None,
        Field(description="TopK: how many of them must be the same; all when left out."),
    ] = None
    absolute: Annotated[
        Annotated[float, Field(ge=0)] | None,
        Field(description="Numeric: difference that is accepted; 0.001 when neither tolerance is given, else 0."),
    ] = None
    relative: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None,
        Field(
            description="Numeric: difference that is accepted, as a share of the larger of the two; 0.01 when neither "
            "tolerance is given, else 0."
        ),
    ] = None

    @property
    def label(self) -> str:
        """What it is called in metrics, gates and examples."""
        return self.name or self.output or ""

    @rule(
        "has(self.output) != has(self.path) && (!has(self.path) || has(self.name))",
        "observe.compare: set either output, or path and a name for it; add or remove one",
    )
    def _one_way_to_it(self) -> bool:
        return (self.output is None) != (self.path is None) and (self.path is None or self.name is not None)

    @rule(
        f"(has(self.by) && self.by == '{By.TOP_K}') ? has(self.k) && (!has(self.minOverlap) || "
        "self.minOverlap <= self.k) : !has(self.k) && !has(self.minOverlap)",
        "observe.compare: by: TopK needs k, and a minOverlap of at most k; other comparisons have neither; add k or "
        "remove them",
    )
    def _k_where_needed(self) -> bool:
        if self.by is not By.TOP_K:
            return self.k is None and self.min_overlap is None
        return self.k is not None and (self.min_overlap is None or self.min_overlap <= self.k)

    @rule(
        f"(has(self.by) && self.by == '{By.NUMERIC}') || (!has(self.absolute) && !has(self.relative))",
        "observe.compare: absolute and relative are tolerances of by: Numeric; set it, or remove them",
    )
    def _tolerances_where_needed(self) -> bool:
        return self.by is By.NUMERIC or (self.absolute is None and self.relative is None)


class Monitoring(ApiType):
    """What goes on when no rollout is under way: inputs are counted, nothing is sent a second time."""

    share: Annotated[
        float, Field(gt=0, le=1, description="Share of the requests whose inputs are counted, by hash of the id.")
    ] = 0.01


_OTHER = "(has(other.name) ? other.name : has(other.output) ? other.output : '')"
_ONE = _OTHER.replace("other.", "one.")


class Observe(ApiType):
    """Compares the answers of candidate and live version to the same requests."""

    side_effects: Annotated[
        SideEffects,
        Field(
            description="None: serving a request changes nothing, so that it can be served twice. A model of which "
            "this is not true must not be observed."
        ),
    ]
    protocol: Annotated[
        Protocol | None,
        Field(
            description="How answers are read. When left out: OpenInference for MLServer and Triton, KServeV1 for "
            "KServe, OpenAI for VLLM, else JSON."
        ),
    ] = None
    sample: Annotated[Sample, Field(description="Which requests are sent a second time.")] = Sample()
    noise_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of the sampled requests that the live version is asked twice, to learn how often it "
            "disagrees with itself.",
        ),
    ] = 0.1
    compare: Annotated[
        tuple[Comparison, ...],
        Field(
            max_length=16,
            description="What is compared; every output when left out. With OpenAI: refusal and length.",
        ),
    ] = ()
    keep_headers: Annotated[
        tuple[HeaderName, ...],
        Field(
            max_length=16,
            description="Request headers that are passed on although they carry credentials; all others that do are "
            "removed.",
        ),
    ] = ()
    redact: Annotated[
        tuple[OutputName, ...],
        Field(max_length=100, description="Inputs, outputs and keys that are never shown in examples."),
    ] = ()
    max_body_bytes: Annotated[
        int,
        Field(ge=1024, le=4_194_304, description="Longest request and answer that is read, in bytes, unpacked."),
    ] = 1_048_576
    timeout: Annotated[Duration, Field(description="How long an answer is waited for.")] = "10s"
    monitoring: Annotated[
        Monitoring | None,
        Field(description="Counts inputs after the promotion too. The observer goes with the rollout when left out."),
    ] = None

    @rule(
        f"!has(self.compare) || self.compare.all(one, self.compare.exists_one(other, {_OTHER} == {_ONE}))",
        "observe.compare: each comparison needs a name of its own; set name in one of them",
    )
    def _names_differ(self) -> bool:
        return len({one.label for one in self.compare}) == len(self.compare)


NEEDS_ROUTE = Rule(
    cel="!has(self.observe) || has(self.route)",
    message="observe needs a route to copy requests from; set route, or remove observe",
    holds=lambda spec: spec.observe is None or spec.route is not None,
)
"""Of a ModelDeployment's spec."""

_AGREEMENT = "(has(gate.signal) && gate.signal == 'Agreement')"
_NAMED = "(has(one.name) ? one.name : has(one.output) ? one.output : '')"


def _agreements(spec: Any) -> list[Any]:
    return [gate for gate in spec.rollout.gates if gate.signal == "Agreement"]


AGREEMENT_NEEDS_OBSERVE = Rule(
    cel="(has(self.observe) && self.observe.noiseShare > 0.0) || !has(self.rollout) || !has(self.rollout.gates) || "
    f"self.rollout.gates.all(gate, !{_AGREEMENT})",
    message="rollout.gates: Agreement is judged by answers that are compared, and by how often the live version "
    "disagrees with itself; set observe with a noiseShare above 0, or remove the gate",
    holds=lambda spec: not _agreements(spec) or (spec.observe is not None and spec.observe.noise_share > 0),
)
_COUNTED = "(has(gate.signal) && gate.signal == 'Distribution' && has(gate.output))"


def _counted(spec: Any) -> list[Any]:
    return [gate for gate in spec.rollout.gates if gate.signal == "Distribution" and gate.output is not None]


DISTRIBUTION_NEEDS_A_REFERENCE = Rule(
    cel="(has(self.observe) && has(self.reference)) || !has(self.rollout) || !has(self.rollout.gates) || "
    f"self.rollout.gates.all(gate, !{_COUNTED})",
    message="rollout.gates: a Distribution of an output is counted by the observer in the bins of the reference; set "
    "observe and reference, or give the gate a query of your own",
    holds=lambda spec: not _counted(spec) or (spec.observe is not None and spec.reference is not None),
)
AGREEMENT_NAMES_A_COMPARISON = Rule(
    cel="!has(self.observe) || !has(self.observe.compare) || size(self.observe.compare) == 0 || "
    f"!has(self.rollout) || !has(self.rollout.gates) || self.rollout.gates.all(gate, !{_AGREEMENT} || "
    "!has(gate.output) || "
    f"self.observe.compare.exists(one, {_NAMED} == gate.output))",
    message="rollout.gates: output of an Agreement must be the name of a comparison; use a name of observe.compare, or "
    "leave output out to judge whole answers",
    holds=lambda spec: (
        spec.observe is None
        or not spec.observe.compare
        or all(
            gate.output is None or gate.output in {one.label for one in spec.observe.compare}
            for gate in _agreements(spec)
        )
    ),
)
