"""All outputs of two answers, by the comparisons that the user asked for or those that fit where nothing was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelrollout.api.observe import By, Comparison, Protocol
from modelrollout.observer.answers import Answer, Output, path
from modelrollout.observer.compare.finding import Finding, Verdict, disagree, incomparable
from modelrollout.observer.compare.outputs import compare

WITHOUT_NAMES = {
    Protocol.OPENAI: (
        Comparison(output="refusal", by=By.EXACT),
        Comparison(output="length", by=By.NUMERIC, relative=0.5),
    )
}
"""What is compared where the user says nothing and not every output should be the same. A relative tolerance of a half
is a factor of two.
"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`findings` are by the names of comparisons."""

    findings: Mapping[str, Finding]

    @property
    def verdict(self) -> Verdict:
        """Of the request: one disagreement is enough, and what could not be compared is no agreement."""
        found = {finding.verdict for finding in self.findings.values()}
        if Verdict.DISAGREE in found:
            return Verdict.DISAGREE
        return Verdict.AGREE if found == {Verdict.AGREE} else Verdict.INCOMPARABLE

    @property
    def severity(self) -> float:
        return max((finding.severity for finding in self.findings.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class Comparator:
    """`comparisons` empty: every output that either answer has."""

    comparisons: Sequence[Comparison]

    @classmethod
    def of(cls, comparisons: Sequence[Comparison], protocol: Protocol) -> "Comparator":
        return cls(tuple(comparisons) or WITHOUT_NAMES.get(protocol, ()))

    def judge(self, one: Answer, other: Answer) -> Judgement:
        if self.comparisons:
            return Judgement(
                {how.label: _finding(select(one, how), select(other, how), how) for how in self.comparisons}
            )
        names = sorted(one.outputs.keys() | other.outputs.keys())
        return Judgement({name: _finding(one.outputs.get(name), other.outputs.get(name), _ANY) for name in names})


_ANY = Comparison(output="any")


def select(answer: Answer, how: Comparison) -> Output | None:
    """What a comparison looks at."""
    if how.path is None:
        return answer.outputs.get(how.output or "")
    found = path.select(how.path, answer.document)
    return None if found is path.NOTHING else Output.of_json(found)


def _finding(one: Output | None, other: Output | None, how: Comparison) -> Finding:
    if one is None and other is None:
        return incomparable("neither answer has it")
    if one is None or other is None:
        return disagree("only one of the answers has it")
    return compare(one, other, how)
