"""An identity that does what others of its kind do not is flagged; one whose whole kind does it is not."""

from __future__ import annotations

from scopedrift.detectors import Knowledge
from scopedrift.detectors.builtin.peer_group import PeerGroup
from scopedrift.simulator.world.policy import InventoryEntry

READ = {"service": "s3", "operation": "GetObject", "access": "read"}
DELETE = {"service": "s3", "operation": "DeleteObject", "access": "delete"}


def days(names: list[str], count: int, what: dict) -> list[dict]:
    return [{"at": 24 * day + n / 10, "identity": name, **what} for day in range(count) for n, name in enumerate(names)]


TRAINERS = [f"spiffe://acme/sa/trainer-{n}" for n in range(8)]
JANITORS = [f"spiffe://acme/sa/janitor-{n}" for n in range(8)]


def test_the_odd_one_of_its_kind(build, judge) -> None:
    log = build(
        [
            *days(TRAINERS, 6, READ),
            *days(JANITORS[1:], 6, DELETE),
            *days(JANITORS[:1], 6, READ),
            {"at": 144, "identity": TRAINERS[0], **DELETE},
            {"at": 145, "identity": JANITORS[0], **DELETE},
            {"at": 146, "identity": TRAINERS[0], **READ},
        ]
    )
    detector = PeerGroup()
    (odd, of_its_kind, usual), batch = judge(detector, log, fit=143)
    assert odd > 2.0 > 0.5 > of_its_kind >= usual
    assert detector.explain(batch, 0) == (
        f"{TRAINERS[0]} did DeleteObject on s3, which few of its peers (kind 'trainer') do"
    )


def test_the_inventory_knows_better_than_names(build, judge) -> None:
    def entry(name: str, family: str) -> InventoryEntry:
        return InventoryEntry(name, "p", "t", (family,), (), "x509-svid")

    inventory = {name: entry(name, "cleaning") for name in [TRAINERS[0], *JANITORS]}
    inventory |= {name: entry(name, "training") for name in TRAINERS[1:]}
    log = build(
        [
            *days(TRAINERS, 6, READ),
            *days(JANITORS, 6, DELETE),
            {"at": 144, "identity": TRAINERS[0], **DELETE},
            {"at": 145, "identity": TRAINERS[1], **DELETE},
        ]
    )
    (cleaner, trainer), _ = judge(PeerGroup(), log, Knowledge(inventory=inventory), fit=143)
    assert trainer > 2 * cleaner


def test_an_outlier_that_always_was_one_is_known(build, judge) -> None:
    end = [{"at": 30 * 24, "identity": TRAINERS[0], **DELETE}]
    (fresh,), _ = judge(PeerGroup(), build([*days(TRAINERS, 30, READ), *end]), fit=30 * 24 - 1)
    known = build([*days(TRAINERS, 30, READ), *days(TRAINERS[:1], 29, DELETE), *end])
    (habit,), _ = judge(PeerGroup(), known, fit=30 * 24 - 1)
    assert habit < 0.4 * fresh
