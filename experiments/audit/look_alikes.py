"""Does every technique that an incident may use have benign behaviour that looks like it?"""

from __future__ import annotations

from scopedrift.experiments.audit.subject import Row, Subject
from scopedrift.scenarios import catalogue


def every_technique_has_a_look_alike(subject: Subject) -> Row:
    """A benign change of the scenario, or a family that runs in it, shares the surface of every technique."""
    techniques = catalogue.techniques()
    used = {technique for spec in subject.scenario.incidents for technique in spec.entry.techniques}
    benign = {spec.kind for spec in subject.scenario.changes if spec.count != 0 and spec.per_month != 0}
    benign |= set(subject.scenario.workloads)
    alone = sorted(name for name in used if not benign & set(techniques[name].look_alikes))
    seen = f"{len(used) - len(alone)} of {len(used)} techniques" + (f"; none for {', '.join(alone)}" if alone else "")
    return Row(
        "look-alikes", "fail" if alone else "pass", seen, "a benign change or a workload family for each technique"
    )
