"""How large each workload family is: what the scenario says, or what its number of identities asks for.

A family's data name the parameter that is its size, how many identities one unit brings, and which other
parameters grow with it: `size: {parameter: pools, identities: 1, along: [tenants]}`.  Where the number of
identities depends on a switch, `identities: {stage_identities: 4}` says how many there are when it is on (else 1).
"""

from __future__ import annotations

from scopedrift.scenarios import Scenario, catalogue
from scopedrift.scenarios.catalogue import Values


def sizes(scenario: Scenario) -> dict[str, Values]:
    """The parameters of each family that runs, with its size scaled to `identities.count` if that is given.

    Sizes that the scenario sets stay as they are, unless it sets all of them: then they keep their proportions.
    `organisation.tenants` goes before what a family says of its tenants by default.
    """
    given = _scaled_to(scenario, scenario.identities.count)
    tenants = scenario.organisation.tenants
    for name, parameters in given.items():
        if tenants is not None and "tenants" in parameters and not scenario.is_given(name, "tenants"):
            given[name] = {**parameters, "tenants": tenants}
    return given


def _scaled_to(scenario: Scenario, wanted: int | None) -> dict[str, Values]:
    given: dict[str, Values] = dict(scenario.workloads)
    described = {name: catalogue.families()[name].size for name in given}
    sized = {name: size for name, size in described.items() if size is not None}
    if wanted is None or not sized:
        return given
    free = [name for name, size in sized.items() if not scenario.is_given(name, size.parameter)] or list(sized)
    count = {name: given[name][size.parameter] * size.each(given[name]) for name, size in sized.items()}
    fixed = sum(number for name, number in count.items() if name not in free)
    factor = (wanted - fixed) / max(sum(count[name] for name in free), 1)
    for name in free:
        scaled = (sized[name].parameter, *sized[name].along)
        given[name] = {**given[name], **{p: _scaled(given[name][p], factor) for p in scaled}}
    return given


def _scaled(value: int, factor: float) -> int:
    """At least one of what there was any of."""
    return max(round(value * factor), min(value, 1))
