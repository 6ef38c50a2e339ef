"""What goes into a model and comes out of it: contracts kept, values counted, drift told. Pure: values in, numbers out.

`api.contract` and `api.reference` are the documents that all of this is made from.
"""

from modelrollout.data.binning import Binning
from modelrollout.data.check import Checker, Violation
from modelrollout.data.compatibility import Finding, breaking, compare
from modelrollout.data.rows import RowsError, rows_of_instances, rows_of_tensors
from modelrollout.data.tally import Kind, Sample, Tally

__all__ = [
    "Binning",
    "Checker",
    "Finding",
    "Kind",
    "RowsError",
    "Sample",
    "Tally",
    "Violation",
    "breaking",
    "compare",
    "rows_of_instances",
    "rows_of_tensors",
]
