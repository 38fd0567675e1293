"""The two-sample test of records: it finds what was planted, and nothing where there is nothing."""

import random
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from telling import features, matched, tell

OPERATIONS = ("GetObject", "PutObject")


def log(seed: int, **planted):
    random.seed(seed)
    return [
        {
            "eventName": random.choice(OPERATIONS),
            "id": str(uuid.UUID(int=random.getrandbits(128))),
            "size": 7,
            **planted,
        }
        for _ in range(300)
    ]


def test_records_of_one_source_are_not_told_apart():
    assert 0.4 < tell(log(1), log(2)).auc < 0.6


@pytest.mark.parametrize(
    ("planted", "feature"),
    [
        ({"extra": {"there": None}}, "extra.there type"),
        ({"id": "0" * 36}, "id form"),
        ({"size": "7"}, "size type"),
        ({"list": ["x"]}, "list[] type"),
    ],
)
@pytest.mark.parametrize("lengths", [True, False])
def test_what_gives_records_away_is_named(planted, feature, lengths):
    told = tell(log(1), log(2, **planted), lengths)
    assert told.auc > 0.99 and feature in [name for name, _ in told.features]


def test_lengths_are_left_out_on_demand():
    assert features({"a": "xyz"}) == {"a type": 3, "a form": 7, "a length": 3}
    assert "a length" not in features({"a": "xyz"}, lengths=False)


def test_as_many_of_each_kind_are_compared():
    real, exported = matched(log(1), [*log(2)[:50], {"eventName": "Other"}], ("eventName",))
    assert [row["eventName"] for row in real] == [row["eventName"] for row in exported] and len(real) == 50
