"""Which step of an attack an operation could be: minting a token, reading a secret, creating a job, and so on.

It follows from the names of service, operation and access in the audit logs of AWS, Kubernetes and GCP.

>>> from scopedrift.detectors.toolkit.steps import STEPS, step_of
>>> STEPS[int(step_of(("secretsmanager", "GetSecretValue", "read")))]
'secret'
>>> step_of(("models", "InvokeModel", "read"))
-1
"""

from __future__ import annotations

import re
from typing import Final

from scopedrift.detectors.toolkit.memo import Facts, Memo

STEPS: Final = ("metadata", "token", "secret", "job", "image", "storage", "discovery", "admin")
"""The kinds of steps; a step's number is its position here."""

WORDS: Final = (
    "metadata read",
    "token minting",
    "secret retrieval",
    "job creation",
    "image pull",
    "storage or analytics access",
    "discovery",
    "administration",
)
"""What a person calls each kind of step."""

FACTS: Final = ("service", "operation", "access")

_PATTERNS: Final = (
    ("metadata", r"^metadata\b|169\.254\.169\.254|metadata\.google|getmetadata|instanceidentity"),
    ("image", r"pullimage|pull image|batchgetimage|getdownloadurlforlayer|^containerd "),
    ("token", r"assumerole|accesstoken|idtoken|getsessiontoken|federationtoken|exchangetoken|generatetoken|gettoken"
     r"|authorizationtoken|fetch\w*svid|signjwt|signblob|serviceaccounts/token|createaccesskey|serviceaccountkey"),
    ("secret", r"secretvalue|listsecrets|accesssecret|secretversion|(get|list|watch) secrets|getparameter"),
    ("job", r"create (jobs|pods|deployments|daemonsets|cronjobs|statefulsets|replicasets)$|submitjob"
     r"|create\w*job$|runinstances|runtask|createservice$|registertaskdefinition|createfunction\b|createfunction\d+$"
     r"|autoscalinggroup|updatefunctioncode|^process execute|\bdeploy$"),
    ("storage", r"^(s3|storage|gcs|athena|bigquery|glue|dynamodb|redshift|snowflake|analytics)\b|^[\w.]*s3[\w.]* "
     r"|(get|put|copy|list|head|delete|select)objects?(v2|content)?\b|storage\.objects|startquery|jobservice\.query"),
    ("discovery", r" (list|describe)(?!objects)\w*|getcalleridentity|getservicequota| (list|watch) "),
)  # fmt: skip
_COMPILED: Final = tuple((STEPS.index(step), re.compile(pattern)) for step, pattern in _PATTERNS)


def step_of(facts: Facts) -> float:
    """The number of the step that (service, operation, access) is, or -1."""
    service, operation, access = facts
    name = f"{service or ''} {operation or ''}".lower()
    for step, pattern in _COMPILED:
        if pattern.search(name):
            return step
    return STEPS.index("admin") if access == "admin" else -1


def steps() -> Memo:
    """A `Memo` whose values are the step of each event: a position in `STEPS`, or -1."""
    return Memo(FACTS, step_of)
