"""What the logs of Azure and Entra share: names in the styles of the exports, and who acts in a token's claims."""

from __future__ import annotations

from typing import Final

from scopedrift.simulator.records.json_paths import Json, Record, child, decoded, first_text, text

_SCHEMAS: Final = "http://schemas.microsoft.com/identity/claims/"
_SOAP: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
CLAIMS: Final = {
    "object": ("oid", f"{_SCHEMAS}objectidentifier"),
    "application": ("appid", "azp"),
    "email": ("upn", f"{_SOAP}upn", "unique_name", "preferred_username"),
    "tenant": ("tid", f"{_SCHEMAS}tenantid"),
}
"""Facts, and the claims that state them, in their short and their long names."""


def camel(record: Record) -> Record:
    """The record with field names that begin in lower case: Log Analytics writes them in upper case."""
    if not any(name[:1].isupper() for name in record):
        return record
    return {(name[:1].lower() + name[1:] if name[1:2].islower() else name): value for name, value in record.items()}


def body(record: Record) -> Record:
    """The fields of an entry: those under `properties`, where it comes as a diagnostic log, before those beside it."""
    whole = camel(record)
    inner = decoded(whole.get("properties"))
    return {**whole, **camel(inner)} if isinstance(inner, dict) else whole


def claimed(claims: Json) -> dict[str, str | None]:
    """What the claims of a token state of whoever shows it."""
    found = decoded(claims)
    facts = {
        fact: next((value for name in names if (value := text(child(found, name)))), None)
        for fact, names in CLAIMS.items()
    }
    if facts["email"] or text(child(found, "idtyp")) == "user":  # a person with an application, not the application
        facts |= {"application": None, "uid": None if facts["email"] else facts["object"], "object": None}
    return facts


def tenant(record: Record) -> str | None:
    """The tenant that an entry is of."""
    stated = first_text(record, ("tenantId", "aadTenantId", "homeTenantId"))
    parts = (first_text(record, ("resourceId",)) or "").strip("/").split("/")
    return stated or (parts[1] if len(parts) > 1 and parts[0].lower() == "tenants" else None)
