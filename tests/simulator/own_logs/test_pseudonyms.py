"""Pseudonyms: consistent, one for one, of the same shape, and without the names."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.simulator.log.events import COLUMNS
from scopedrift.simulator.own_logs.pseudonyms import NAMES, pseudonym, pseudonymised
from scopedrift.simulator.records.reading.importer import import_log

LOG = import_log(Path(__file__).parents[1] / "records" / "reading" / "data" / "invictus.json").log


def test_everything_but_names_and_ids_stays():
    other = pseudonymised(LOG, "key")
    for name in set(COLUMNS) - {"credential", "task"}:
        assert np.array_equal(other.batch(0, len(LOG))[name], LOG.batch(0, len(LOG))[name])
    assert other.vocabulary.texts()["operation"] == LOG.vocabulary.texts()["operation"]


def test_no_name_is_left():
    texts = pseudonymised(LOG, "key").vocabulary.texts()
    told = " ".join(text for column in NAMES for text in texts[column])
    for name in ("bert-jan", "benjamin", "123837392027", "192.168.10.20", "stratus"):
        assert name in " ".join(text for column in NAMES for text in LOG.vocabulary.texts()[column])
        assert name not in told


def test_the_same_name_has_the_same_pseudonym_under_one_key_only():
    assert pseudonymised(LOG, "a").digest == pseudonymised(LOG, "a").digest != pseudonymised(LOG, "b").digest
    secret = b"s" * 32
    user, role = pseudonym("arn:aws:iam::123:user/ann", secret), pseudonym("arn:aws:iam::123:role/ann", secret)
    assert user.rpartition("/")[2] == role.rpartition("/")[2]
    assert user.startswith("arn:aws:iam::") and role.split(":")[4] == user.split(":")[4] != "123"


def test_shapes_stay():
    assert pseudonym("192.168.0.1", b"k").startswith("10.") and pseudonym("192.168.0.1", b"k").count(".") == 3
    assert pseudonym("system:serviceaccount:shop:cart", b"k").startswith("system:serviceaccount:")
    assert pseudonym("health.amazonaws.com", b"k") == "health.amazonaws.com"


def test_hosts_of_customers_are_names():
    found = pseudonym("acme-payroll.c9akciq32.eu-west-1.rds.amazonaws.com", b"k")
    assert found.endswith(".amazonaws.com") and "eu-west-1" in found
    assert "acme" not in found and "c9ak" not in found


@given(st.text(max_size=40))
def test_any_text_has_a_pseudonym(text):
    assert pseudonym(text, b"k") == pseudonym(text, b"k")


def test_ids_change_and_stay_apart():
    before, after = (log.batch(0, len(LOG))["credential"] for log in (LOG, pseudonymised(LOG, "key")))
    assert np.array_equal(before < 0, after < 0) and not np.intersect1d(before[before >= 0], after).size
    assert len(np.unique(before)) == len(np.unique(after))
