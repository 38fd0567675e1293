"""The examples in docstrings of the detectors run and give what they say; every module of the toolkit has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from scopedrift import detectors
from scopedrift.detectors import toolkit

MODULES = [found.name for found in pkgutil.walk_packages(detectors.__path__, "scopedrift.detectors.")]
TOOLKIT = [found.name for found in pkgutil.iter_modules(toolkit.__path__, "scopedrift.detectors.toolkit.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", TOOLKIT)
def test_every_module_of_the_toolkit_has_an_example(name: str) -> None:
    tests = doctest.DocTestFinder().find(importlib.import_module(name))
    assert any(test.examples for test in tests)
