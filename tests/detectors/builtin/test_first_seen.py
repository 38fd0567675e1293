"""A first time is flagged, the more so the fewer others do it; what is known, or was known lately, is not."""

from __future__ import annotations

import numpy as np

from scopedrift.detectors.builtin.first_seen import FirstSeen

TRAINERS = [f"spiffe://acme/sa/trainer-{n}" for n in range(4)]


def daily(days: range, names: list[str] = TRAINERS, **what) -> list[dict]:
    return [{"at": 24 * day + n / 10, "identity": name, **what} for day in days for n, name in enumerate(names)]


def test_new_things_are_flagged_and_the_known_is_not(build, judge) -> None:
    log = build(
        [
            *daily(range(8), operation="GetObject"),
            *daily(range(8), TRAINERS[1:], operation="PutObject"),
            {"at": 8 * 24, "identity": TRAINERS[0], "operation": "GetObject"},
            {"at": 8 * 24 + 1, "identity": TRAINERS[0], "operation": "PutObject"},
            {"at": 8 * 24 + 2, "identity": TRAINERS[0], "operation": "DeleteTrail"},
            {"at": 8 * 24 + 3, "identity": TRAINERS[0], "operation": "DeleteTrail"},
        ]
    )
    detector = FirstSeen()
    (known, of_peers, of_nobody, again), batch = judge(detector, log, fit=8 * 24 - 1)
    assert known == again == 0.0
    assert 0 < of_peers < of_nobody
    who = TRAINERS[0]
    assert detector.explain(batch, 2) == (
        f"{who} used for the first time in 28 days: the operation DeleteTrail (used by 0 other identities)"
    )
    assert "PutObject (used by 3 other identities)" in detector.explain(batch, 1)
    assert detector.explain(batch, 0) == f"nothing new for {who}"


def test_a_new_registry_of_an_image_is_new_whatever_the_tag(build, judge) -> None:
    log = build(
        [
            *daily(range(6), image="ghcr.io/team/app:1"),
            {"at": 150, "identity": TRAINERS[0], "image": "ghcr.io/team/app:2"},
            {"at": 151, "identity": TRAINERS[0], "image": "docker.evil.example/team/app:1"},
        ]
    )
    detector = FirstSeen()
    (new_tag, new_registry), batch = judge(detector, log, fit=149)
    assert new_tag == 0.0 and new_registry > 1.0
    assert "the registry docker.evil.example" in detector.explain(batch, 1)


def test_what_was_not_used_for_long_is_new_again(build, judge) -> None:
    events = [*daily(range(60), operation="GetObject"), {"at": 24.0, "identity": TRAINERS[0], "operation": "Rotate"}]
    soon = build([*events, {"at": 24 * 9 + 0.5, "identity": TRAINERS[0], "operation": "Rotate"}])
    late = build([*events, {"at": 24 * 50 + 0.5, "identity": TRAINERS[0], "operation": "Rotate"}])
    for log, at, expected in ((soon, 24 * 9, False), (late, 24 * 50, True)):
        scores, batch = judge(FirstSeen(memory=14.0), log, fit=at)
        rotated = [operation == "Rotate" for (operation,) in batch.pairs("operation")]
        assert (scores[rotated].max() > 0) == expected


def test_somebody_who_always_does_new_things_is_less_surprising(build, judge) -> None:
    calm, restless = "spiffe://acme/sa/alpha", "spiffe://acme/sa/beta"
    events = [{"at": h, "identity": calm, "operation": "Get"} for h in range(200)]
    events += [{"at": h, "identity": restless, "operation": f"Op{h}"} for h in range(200)]
    events += [{"at": 200, "identity": who, "operation": f"New-{who}"} for who in (calm, restless)]
    scores, batch = judge(FirstSeen(), build(events), fit=199.5)
    found = dict(zip((name for (name,) in batch.pairs("identity")), scores, strict=True))
    assert found[calm] > found[restless] > 0


def test_it_abstains_on_events_without_an_identity(build, judge) -> None:
    log = build([*daily(range(3), operation="Get"), {"at": 99, "operation": "Get"}])
    assert np.isnan(judge(FirstSeen(), log, fit=98)[0]).all()
