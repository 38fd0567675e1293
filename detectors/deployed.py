"""The file that `tune` writes: a detector with its parameters, its threshold and its cooldown (`detector.yaml`).

Wherever a detector is named, such a file may be named (`spec`).  Its shape has a version, and a JSON Schema
(`scopedrift schema detector`).  What begins with `./` or `../` in it is a place seen from the file's own folder.

Units: microseconds.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, Strict

from scopedrift.scenarios.documents import Problem, ScenarioError, parse, read_text, shown, write
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.fields import Count, Duration, Model, Rate, Text

VERSION: Final = 1
SUFFIXES: Final = (".yaml", ".yml")
NEEDED: Final = ("version", "detector", "threshold", "cooldown")
_SEEN_FROM_HERE: Final = re.compile(r"(?<![^\s=(+,'\"\[{])\.{1,2}/[^\s()=+,:'\"\[\]{}]*")
_BARE_FILE: Final = re.compile(r"[^()./\\][^()]*\.py(?:[:(].*)?", re.DOTALL)


def _known(value: float) -> float:
    if math.isnan(value):
        raise ValueError("expected a number, not nan")
    return value


def _no_file(value: str) -> str:
    if value.partition("(")[0].strip().endswith(SUFFIXES):
        raise ValueError(f"expected a detector (name, module:Class or file.py[:Class]), not the file {shown(value)}")
    return value


Number = Annotated[float, Strict(), AfterValidator(_known)]


class Estimate(Model):
    """A number with its 95 % interval."""

    estimate: Number
    low: Number | None = None
    high: Number | None = None


class Range(Model):
    """From the lowest to the highest."""

    low: Number
    high: Number


class HeldOut(Model):
    """What happened in the part of the log that nothing was chosen on."""

    days: Number
    alerts: Count = Field(description="Alerts on what was in the log by itself.")
    incidents: Count | None = None
    caught: Count | None = None


class TunedScore(Model):
    """F1 with the tuned and with the default parameters."""

    tuned: Number
    default: Number


class Gain(Model):
    """F1 of the tuned parameters minus that of the defaults, with its 95 % interval."""

    f1_difference: Number
    low: Number
    high: Number
    worlds: Count


class Deployed(Model):
    """A detector to deploy: `scopedrift tune` writes it, and it may stand wherever a detector is named."""

    version: Literal[1] = Field(description="Of this format.")
    detector: Annotated[Text, AfterValidator(_no_file)] = Field(
        description="A name, module:Class or file.py[:Class]; files as seen from the folder of this one."
    )
    parameters: dict[str, Any] = Field(default={}, description="All of its parameters. Texts: ./ is this folder.")
    threshold: Number = Field(description="Events that score above it are flagged.")
    threshold_range: Range | None = Field(default=None, description="Over the held-out worlds; the median counts.")
    cooldown: Duration = Field(description="Flagged events of an identity this close are one alert.")
    alert_budget: Rate | None = Field(default=None, description="The false alarms that the threshold was set for.")
    learning_period: Duration | None = Field(default=None, description="How long the detector learned.")
    expected_alerts_per_day: Estimate | None = None
    identities: Count | None = Field(default=None, description="That acted where the alerts were counted.")
    will_miss: dict[str, str] | str | None = Field(
        default=None, description="Kinds of incident of which held-out ones were missed, or why that is unknown."
    )
    held_out: HeldOut | None = None
    f1: TunedScore | None = None
    better_than_default: Gain | None = None

    def text(self, head: str) -> str:
        """The file's text under the comment `head`."""
        return f"# {head}\n" + write(self.model_dump(mode="json", exclude_none=True))


def read_deployed(path: str | Path) -> Deployed:
    """Read a tuned detector; the places in it that are relative become absolute.

    Raises `ScenarioError` with file, line and key for a file that is no tuned detector.
    """
    document = parse(read_text(Path(path), str(path)), str(path))
    value, version = document.value, document.value.get("version", VERSION)
    if version != VERSION and "detector" in value:
        raise ScenarioError(document.problem(f"expected the version {VERSION}, not {shown(version)}", ("version",)))
    if missing := [name for name in NEEDED if name not in value]:
        expected = "expected a file that `scopedrift tune` writes (`scopedrift schema detector`)"
        raise ScenarioError(Problem(f"{path}: not a tuned detector: no {', '.join(missing)} in it; {expected}"))
    found = validated(Deployed, value, document)
    target = f"./{found.detector}" if _BARE_FILE.fullmatch(found.detector) else found.detector
    seen = partial(_absolute, folder=os.path.dirname(os.path.abspath(path)))
    return found.model_copy(update={"detector": seen(target), "parameters": in_texts(found.parameters, seen)})


def in_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value of plain data, with every text in it changed; keys stay."""
    if isinstance(value, dict):
        return {name: in_texts(each, change) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [in_texts(each, change) for each in value]
    return change(value) if isinstance(value, str) else value


def texts_of(value: Any) -> Iterator[str]:
    """Every text in plain data; keys are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_of(each)


def _absolute(text: str, folder: str) -> str:
    return _SEEN_FROM_HERE.sub(lambda found: os.path.normpath(os.path.join(folder, found[0])), text)
