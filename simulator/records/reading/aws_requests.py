"""What a request to AWS is about: the resources that a record lists, else the parameter that names it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from scopedrift.simulator.records.json_paths import Json, Record, child, decoded, first, first_text, text

_TARGETS: Final = """
    functionName secretId queueUrl topicArn streamName streamARN tableName modelId
    dBInstanceIdentifier dBSnapshotIdentifier dBClusterIdentifier userName roleName groupName policyArn
    tasks task serviceName service taskDefinition clusterName cluster
    instanceProfileName keyId repositoryName logGroupName trailName trainingJobName endpointName
    notebookInstanceName modelName stateMachineArn family jobDefinition jobName projectName stackName instanceId
    instanceIds rule targetGroupArn targets target snapshotId volumeId groupId imageId routeTableId subnetId
    networkInterfaceId internetGatewayId vpcId documentName resourceArn resourceARN resourceId name arn instancesSet
    resourcesSet snapshotSet names path
"""
TARGETS: Final = {name: rank for rank, name in enumerate(_TARGETS.split())}
"""Request parameters that name what a call is about, the most telling first.

A document is passed to calls that are about instances, a cluster to calls that are about what runs in it.
"""
_ROLE: Final = "roleArn"
"""It is passed to many calls that are about something else: what has a name of its own goes before it."""
_OWN_NAME: Final = re.compile(r"(?<!session)(name|identifier)$", re.IGNORECASE)
_ARNS: Final = ("ARN", "arn", "uid")
_OTHER_TARGET: Final = re.compile(r"(?<!token)(?<!version)(?<!session)(arn|name|id|identifier)$", re.IGNORECASE)


def target(parameters: Json) -> str | None:
    """What a request is about, by the parameter that names it."""
    if not isinstance(parameters, dict):
        return None
    if "bucketName" in parameters and (bucket := text(parameters["bucketName"])):
        key = text(parameters.get("key"))
        return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    telling, other = _telling(tuple(parameters))
    for name in telling:
        value = parameters[name]
        if type(value) is str and (held := decoded(value)) is not None:
            value = held
        if type(value) is str and value:  # as most are
            return value
        if isinstance(value, (dict, list)):
            value = decoded(first(child(value, "items") if isinstance(value, dict) else value))
        if isinstance(value, dict):
            told = value.get("values")
            value = next(iter(value.values()), None) if told is None else first(told)  # {"instanceId": "i-..."}
        if (found := text(value)) is not None:
            return found
    for name, nested in other:
        value = parameters[name]
        if nested and isinstance(value, dict) and (found := target(_lowered(value))):
            return found
        if not nested and value and isinstance(value, str):
            return value
    return None


@lru_cache(maxsize=4_096)
def _telling(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """Those of a request's parameters that name what it is about, the most telling first; and those that may.

    These have a name of another kind, or hold a nested request (`CreateFlowLogsRequest`), which is told beside them.
    Shapes of requests repeat.
    """
    telling = sorted(filter(TARGETS.__contains__, names), key=TARGETS.__getitem__)
    if _ROLE in names:
        telling += [*filter(_OWN_NAME.search, () if telling else names), _ROLE]
    others = ((name, name.endswith("Request")) for name in names)
    return tuple(telling), tuple((name, nested) for name, nested in others if nested or _OTHER_TARGET.search(name))


def _lowered(value: Record) -> Record:
    plain = {k[:1].lower() + k[1:]: first([v]) for k, v in value.items()}
    return {k: v.get("content") if isinstance(v, dict) and "content" in v else v for k, v in plain.items()}


def listed_target(resources: Json) -> str | None:
    """The ARN that a record lists as what it is about: the first, or the thing inside it that is listed beside it.

    A copy lists what it copies from, too; its bucket is that of what it copies to.
    """
    arns = [arn for item in resources if (arn := first_text(item, _ARNS))] if isinstance(resources, list) else []
    places = [arn for arn in arns if is_bucket(arn)] or arns[:1]
    inside = (arn for place in places for arn in arns if arn.startswith(f"{place}/"))
    return next(inside, places[0] if places else None)


def narrowed(found: str | None, request: Json) -> str | None:
    """The object that a request names in the bucket that a record lists."""
    if found is None:
        return target(request)
    if is_bucket(found) and isinstance(request, dict) and text(request.get("bucketName")) == found.rpartition(":")[2]:
        key = text(request.get("key"))
        return f"{found}/{key}" if key else found
    return found


def is_bucket(arn: str) -> bool:
    """Whether an ARN is that of a bucket."""
    return ":s3:::" in arn and "/" not in arn
