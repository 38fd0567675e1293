"""Who acted, in one way for all formats: facts that a record states, and the rules of `identities.yaml` in order.

actor = identities.resolve(arn_facts("arn:aws:sts::111122223333:assumed-role/etl/run-7"))
actor.identity          # arn:aws:iam::111122223333:role/etl
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Final, TypeAlias

import msgspec

from scopedrift.simulator.records.data_files import load_data

Facts: TypeAlias = Mapping[str, str | None]
"""What a record states of who acted, by the names that `identities.yaml` uses."""

_ARN: Final = re.compile(r"arn:(?P<partition>[\w-]+):(?P<service>[\w-]*):[^:]*:(?P<account>\d*):(?P<rest>.+)")
_IAM: Final = ("iam", "sts")


@dataclass(frozen=True)
class ResolvedIdentity:
    """Who acted."""

    identity: str | None
    person: str | None
    """The person whose session of a role it is, by the session's name."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a rule is about, its conditions, and the name."""

    who: str
    when: dict[str, str] = {}
    identity: str = ""


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`identities.yaml`."""

    identities: list[Rule]
    people: list[Rule]


@cache
def rules() -> Rules:
    """The table of rules."""
    found: Rules = load_data(__package__, "identities.yaml", Rules)
    return found


def resolve(facts: Facts) -> ResolvedIdentity:
    """The identity behind the facts, and the person behind a session of a role."""
    known = {name: value for name, value in facts.items() if value}
    known.setdefault("partition", "aws")
    identity = next((name for rule in rules().identities if (name := _named(rule, known))), None)
    person = any(_holds(rule, known) is not None for rule in rules().people)
    return ResolvedIdentity(identity, known.get("session") if person else None)


def arn_facts(arn: str | None) -> dict[str, str | None]:
    """The parts of the ARN of a user, role, session, root or federated user; nothing of any other text."""
    found = _ARN.fullmatch(arn or "")
    if found is None or found["service"] not in _IAM:
        return {"arn": arn} if found else {}
    entity, *path = found["rest"].split("/")
    facts: dict[str, str | None] = {"arn": arn, "entity": entity, **found.groupdict()}
    del facts["rest"], facts["service"]
    if entity == "assumed-role" and path:
        return {**facts, "role": path[0], "session": "/".join(path[1:])}
    if entity == "role" and path:
        return {**facts, "role": path[-1]}
    return {**facts, "name": path[-1] if path else None}


def _named(rule: Rule, facts: dict[str, str]) -> str | None:
    known = _holds(rule, facts)
    if known is None or any(name not in known for name in _fields(rule.identity)):
        return None
    return rule.identity.format_map(known)


def _holds(rule: Rule, facts: dict[str, str]) -> dict[str, str] | None:
    """The facts, with those that the rule's patterns find, if its conditions hold."""
    for name, pattern in rule.when.items():
        matched = re.fullmatch(pattern, facts[name]) if name in facts else None
        if matched is None:
            return None
        facts = {**facts, **{key: value for key, value in matched.groupdict().items() if value}}
    return facts


@cache
def _fields(template: str) -> tuple[str, ...]:
    return tuple(field for _, field, _, _ in Formatter().parse(template) if field)
