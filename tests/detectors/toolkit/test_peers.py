"""Peer groups and containers, from names alone."""

from __future__ import annotations

import pytest

from scopedrift.detectors.toolkit.peers import container, stem


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        ("spiffe://acme.example/ns/vision/sa/trainer-17", "trainer"),
        ("spiffe://acme.example/ns/vision/sa/trainer-18", "trainer"),
        ("spiffe://acme.example/ns/x/task/0b5e33f1c2", "task"),
        ("pipeline-0003-evaluate", "pipeline-evaluate"),
        ("system:serviceaccount:kube-system:default", "system:serviceaccount:kube-system:default"),
        ("12345", ""),
        ("", ""),
    ],
)
def test_numbers_and_ids_do_not_make_a_kind(identity: str, kind: str) -> None:
    assert stem(identity) == kind


@pytest.mark.parametrize(
    ("resource", "holder"),
    [
        ("s3://bucket/key/part-0001", "s3://bucket/key"),
        ("s3://bucket", "s3://bucket"),
        ("namespace/vision", "namespace"),
        ("namespace/vision/", "namespace"),
        ("169.254.169.254", "169.254.169.254"),
    ],
)
def test_a_container_is_the_path_without_its_end(resource: str, holder: str) -> None:
    assert container(resource) == holder
