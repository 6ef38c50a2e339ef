"""Whether two answers to one request agree. Pure, symmetric, and decided for every pair of values:

| case | decided |
|---|---|
| an output in one answer only | disagree |
| an output in neither | incomparable: nothing was compared, which is no agreement |
| shapes or keys differ | disagree (TopK of listed ids: lists may differ in length) |
| one has numbers where the other has text or truth | disagree; the widths of numbers do not matter, 1 is 1.0 |
| NaN and NaN, null and null | agree; either beside anything else disagrees |
| infinities | agree when their signs are the same |
| both empty, of the same shape | agree |
| Label: several elements are the largest | the first of them counts; NaN is never the largest |
| Label of numbers without a row of scores, or of text | the values are the labels, and have to be equal |
| TopK of rows with no more than k scores | incomparable: they would always agree |
| Numeric or Text of values that are neither | as Exact |
"""

from modelrollout.observer.compare.finding import Finding, Verdict
from modelrollout.observer.compare.judge import Comparator, Judgement
from modelrollout.observer.compare.outputs import compare

__all__ = ["Comparator", "Finding", "Judgement", "Verdict", "compare"]
