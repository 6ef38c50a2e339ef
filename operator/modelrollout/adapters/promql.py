"""PromQL that users bring, filled for one version; and how any text gets into a query.

Only typed values are filled in, each escaped for RE2 and quoted for PromQL, so that a name cannot become syntax.
"""

import json
from dataclasses import dataclass

from modelrollout.api.revision import child_name

_RE2_SPECIAL = frozenset("\\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One version of one ModelDeployment. `revision` is the short digest."""

    namespace: str
    name: str
    revision: str

    @property
    def child(self) -> str:
        """What its Deployment and Service are called, and its pods begin with."""
        return child_name(self.name, self.revision)


def literal(text: str) -> str:
    """`text` as a part of a regular expression inside a PromQL string with double quotes."""
    pattern = "".join(f"\\{character}" if character in _RE2_SPECIAL else character for character in text)
    return json.dumps(pattern, ensure_ascii=False)[1:-1]


def quoted(text: str) -> str:
    """`text` as a whole PromQL string."""
    return json.dumps(text, ensure_ascii=False)


def fill(template: str, arm: Arm) -> str:
    """The query of one version. In one pass over the template, so that a value is never taken for a placeholder."""
    values = {
        "{{namespace}}": literal(arm.namespace),
        "{{name}}": literal(arm.name),
        "{{revision}}": literal(arm.revision),
        "{{pods}}": f"{literal(arm.child)}-.+",
    }
    filled = []
    rest = template
    while rest:
        at, placeholder = min(((rest.index(one), one) for one in values if one in rest), default=(len(rest), ""))
        filled.append(rest[:at] + values.get(placeholder, ""))
        rest = rest[at + len(placeholder) :]
    return "".join(filled)
