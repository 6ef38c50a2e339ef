"""What should happen next? Pure: an observation and the time in, a plan out.

    Observation ─► planner ─► (install | shadow | canary | soak | live | rollback) ─► Decision ─► Plan

A stage says where things should stand; `shape` turns that into the smallest list of actions and the status to write.
Planning twice from the same observation gives the same plan, and planning from the result of a plan gives an empty one.
"""

from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Plan
from modelrollout.plan.planner import plan

__all__ = ["Observation", "Plan", "plan"]
