"""The classes and codes of OCSF that reading and writing share."""

from __future__ import annotations

from functools import cache
from typing import Final

import msgspec

from scopedrift.simulator.log.events import ACCESS
from scopedrift.simulator.records.data_files import load_data

API, AUTHENTICATION, NETWORK, HTTP = 6003, 3002, 4001, 4002
SUCCESS, FAILURE = 1, 2


class Activities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The activities of a class of events, by the access that they are."""

    name: str
    read: list[int] = []
    write: list[int] = []
    create: list[int] = []
    delete: list[int] = []
    auth: list[int] = []
    admin: list[int] = []
    any: str | None = None
    """What every activity is that is not listed."""


def activities() -> dict[int, Activities]:
    """`ocsf_activities.yaml`, by `class_uid`."""
    found: dict[int, Activities] = load_data(__package__, "ocsf_activities.yaml", dict[int, Activities])
    return found


@cache
def access_by_activity(kind: int, activity: int | None) -> str | None:
    """The access that an activity of a class is; None for what is not listed."""
    found = activities().get(kind)
    listed = (access for access in ACCESS if found and activity in getattr(found, access))
    return next(listed, found.any if found else None)


ACTIVITY_IDS: Final = {"create": 1, "read": 2, "write": 3, "delete": 4}
"""The activity of API Activity that an access is."""
