"""How an act ended, by the tables of `outcomes.yaml`."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from scopedrift.simulator.records.data_files import load_data

_CODE: Final = re.compile(r"(?:^|http\S*|status|code|error)\W{0,3}(\d{3})\b", re.IGNORECASE)
"""A number that is a status code, and no other number of a text."""


@cache
def denied(table: str) -> frozenset[str]:
    """The codes of a table that say that an act was denied, in lower case."""
    return frozenset(str(_tables()[table]["denied"]).lower().split())


@cache
def sign_in_errors() -> frozenset[str]:
    """The codes of Entra that say that a sign-in failed for another reason than a refusal."""
    return frozenset(str(_tables()["sign_in"]["errors"]).split())


@cache
def _tables() -> dict[str, dict[str, str | int]]:
    found: dict[str, dict[str, str | int]] = load_data(__package__, "outcomes.yaml", dict[str, dict[str, str | int]])
    return found


def words() -> str:
    """The pattern that finds a refusal in what no table lists."""
    return "".join(str(_tables()["words"]["denied"]).split())


@cache
def _refused() -> re.Pattern[str]:
    return re.compile(words(), re.IGNORECASE)


def of_code(table: str, code: str | None) -> str:
    """The outcome that a provider's code says; none is success."""
    if not code:
        return "success"
    plain = code.removeprefix("Client.").removeprefix("Server.").lower()
    return "denied" if plain in denied(table) or _refused().search(code) else "error"


def of_status(code: int) -> str:
    """The outcome of an HTTP status."""
    return "success" if code < 400 else "denied" if str(code) in denied("http") else "error"


def of_text(text: str) -> str:
    """The outcome that a description of a failure says."""
    codes = set(_CODE.findall(text))
    return "denied" if _refused().search(text) or codes & denied("http") else "error"


def of_sign_in(code: str | None) -> str | None:
    """The outcome of a sign-in to Entra, by its code; None without one."""
    if code is None:
        return None
    if code == "0":
        return "success"
    return "error" if code in sign_in_errors() else "denied"


def of_aws(code: str | None, message: str | None = None) -> str:
    """The outcome of a call to AWS, by its error code (a status, in some data events), else by its message."""
    if code and code.isdecimal():
        return of_status(int(code))
    return of_code("aws", code) if code or not message else of_text(message)
