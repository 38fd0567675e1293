"""What an operation is in an attack, told from the names of three platforms."""

from __future__ import annotations

import pytest

from scopedrift.detectors.toolkit.steps import STEPS, WORDS, step_of


@pytest.mark.parametrize(
    ("service", "operation", "access", "step"),
    [
        ("metadata", "GetMetadataToken", "auth", "metadata"),
        ("network", "connect 169.254.169.254", "read", "metadata"),
        ("sts", "AssumeRoleWithWebIdentity", "auth", "token"),
        ("iamcredentials", "GenerateAccessToken", "auth", "token"),
        ("kubernetes", "create serviceaccounts/token", "create", "token"),
        ("iam", "CreateAccessKey", "create", "token"),
        ("secretsmanager", "GetSecretValue", "read", "secret"),
        ("kubernetes", "list secrets", "read", "secret"),
        ("kubernetes", "create jobs", "create", "job"),
        ("ec2", "RunInstances", "create", "job"),
        ("lambda", "CreateFunction20150331", "create", "job"),
        ("containerd", "PullImage", "read", "image"),
        ("ecr", "BatchGetImage", "read", "image"),
        ("s3", "GetObject", "read", "storage"),
        ("storage.googleapis.com", "storage.objects.get", "read", "storage"),
        ("bigquery", "jobservice.query", "read", "storage"),
        ("sts", "GetCallerIdentity", "read", "discovery"),
        ("iam", "PutUserPolicy", "admin", "admin"),
        ("kubernetes", "get pods", "read", None),
        ("logs", "PutLogEvents", "write", None),
        (None, None, None, None),
    ],
)
def test_operations_of_three_platforms(service: str, operation: str, access: str, step: str | None) -> None:
    found = int(step_of((service, operation, access)))
    assert (STEPS[found] if found >= 0 else None) == step


def test_every_step_has_its_words() -> None:
    assert len(WORDS) == len(STEPS)
