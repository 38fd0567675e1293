"""Attack steps that come close together are flagged, unless this identity always does them so."""

from __future__ import annotations

import pytest

from scopedrift.detectors.builtin.chain_correlation import ChainCorrelation

TOKEN = {"service": "sts", "operation": "AssumeRole", "access": "auth"}
SECRET = {"service": "secretsmanager", "operation": "GetSecretValue", "access": "read"}
JOB = {"service": "kubernetes", "operation": "create jobs", "access": "create"}
STORAGE = {"service": "s3", "operation": "GetObject", "access": "read"}
CHAIN = (TOKEN, SECRET, JOB, STORAGE)


def reads(days: int, who: str) -> list[dict]:
    return [{"at": 6 * n, "identity": who, **STORAGE} for n in range(4 * days)]


def chain(at: float, who: str, gap: float = 0.1, **more: str) -> list[dict]:
    return [{"at": at + gap * n, "identity": who, **step, **more} for n, step in enumerate(CHAIN)]


@pytest.fixture
def history() -> list[dict]:
    releases = [event for day in range(10) for event in chain(24 * day + 12, "releaser")]
    return [*reads(10, "reader"), *reads(10, "other"), *releases]


def test_a_chain_by_a_reader_stands_out_and_the_daily_release_does_not(build, judge, history) -> None:
    detector = ChainCorrelation()
    log = build([*history, *chain(242, "reader"), *chain(252, "releaser")])
    scores, batch = judge(detector, log, fit=241)
    mine = [who == "reader" for (who,) in batch.pairs("identity")]
    release = [who == "releaser" for (who,) in batch.pairs("identity")]
    assert scores[mine].max() > 3 * scores[release].max()
    row = int(scores.argmax())
    said = detector.explain(batch, row)
    assert said.startswith("reader: token minting, secret retrieval, job creation")
    assert said.endswith("within 60 minutes, which is rare for it")


def test_the_same_steps_far_apart_are_no_chain(build, judge, history) -> None:
    close, _ = judge(ChainCorrelation(), build([*history, *chain(242, "reader")]), fit=241)
    apart, _ = judge(ChainCorrelation(), build([*history, *chain(242, "reader", gap=3.0)]), fit=241)
    assert apart.max() < 0.6 * close.max()


def test_a_chain_is_followed_across_delegation(build, judge, history) -> None:
    hands = [
        {**event, "identity": f"agent-{n}", "on_behalf_of": "reader"} for n, event in enumerate(chain(242, "reader"))
    ]
    strangers = [{**event, "on_behalf_of": f"user-{n}"} for n, event in enumerate(hands)]
    one, batch = judge(ChainCorrelation(), build([*history, *hands]), fit=241)
    none, _ = judge(ChainCorrelation(), build([*history, *strangers]), fit=241)
    assert one.max() > 1.5 * none.max()
    assert batch.pairs("on_behalf_of")[int(one.argmax())] == ("reader",)
