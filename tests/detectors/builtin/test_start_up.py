"""Minting tokens and reading secrets belongs to the start of a task; later it is flagged."""

from __future__ import annotations

import numpy as np

from scopedrift.detectors.builtin.start_up import StartUp

SECRET = {"service": "secrets", "operation": "GetSecretValue", "access": "read"}
TOKEN = {"service": "sts", "operation": "AssumeRole", "access": "auth"}
WORK = {"service": "s3", "operation": "PutObject", "access": "write"}
SECOND = 1 / 3600


def task(number: int, at: float, who: str = "spiffe://acme/sa/trainer-1") -> list[dict]:
    common = {"identity": who, "task": number}
    return [
        {"at": at, **common, **SECRET},
        {"at": at + 5 * SECOND, **common, **TOKEN},
        *({"at": at + 0.2 * n, **common, **WORK} for n in range(1, 10)),
    ]


def history() -> list[dict]:
    return [event for n in range(40) for event in task(n, 4.0 * n)]


def test_the_start_is_quiet_and_a_late_secret_is_not(build, judge) -> None:
    late = {"at": 164 + 1.5, "identity": "spiffe://acme/sa/trainer-1", "task": 41, **SECRET}
    detector = StartUp()
    scores, batch = judge(detector, build([*history(), *task(41, 164), late]), fit=163)
    secret = [operation == "GetSecretValue" for (operation,) in batch.pairs("operation")]
    assert scores[secret].tolist()[0] == 0.0 and scores[secret].tolist()[1] > 1.0
    assert np.count_nonzero(scores) == 1
    assert detector.explain(batch, int(scores.argmax())) == (
        "spiffe://acme/sa/trainer-1: secret retrieval (GetSecretValue) 5,400 s after its task began"
        " (start-up takes 120 s)"
    )


def test_renewal_at_half_life_is_learned(build, judge) -> None:
    who = "spiffe://acme/sa/server-1"
    renewals = [{"at": 1.0 * h, "identity": who, "task": 1000, **TOKEN} for h in range(200)]
    other = {"at": 199.5, "identity": who, "task": 1000, **SECRET}
    scores, batch = judge(StartUp(), build([*history(), *renewals, other]), fit=190)
    secret = np.array([operation == "GetSecretValue" for (operation,) in batch.pairs("operation")])
    assert scores[secret].max() > 3 * scores[~secret].max()


def test_without_a_task_it_cannot_tell(build, judge) -> None:
    scores, _ = judge(StartUp(), build([*history(), {"at": 200, "identity": "x", **SECRET}]), fit=199)
    assert np.isnan(scores).all()
