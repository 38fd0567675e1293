"""What to simulate: scenarios, suites and claims, and the catalogue of what they are made of.

A scenario is a YAML file: `documents` reads it, `loader` resolves `extends`, `schema` and `parts` validate it, and
`explain` says what is wrong.  `library`, `suites` and `claims` hold the shipped ones; `catalogue` reads `data` into
typed models.  Nothing here simulates, and nothing of the other packages is imported.  Import from outside: what this
module exports, `catalogue`, `schema`, `parts`, `suite`, `claim`, `durations` and `documents`.

The package is also a function: `scopedrift.scenarios()` returns every library scenario's name and description.
"""

import sys
from types import ModuleType

from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.loader import descriptions, library, load, load_text, override
from scopedrift.scenarios.schema import Scenario

__all__ = ["Scenario", "ScenarioError", "descriptions", "library", "load", "load_text", "override"]


class _Package(ModuleType):
    """A package that can be called: importing it must not hide the function of that name in `scopedrift`."""

    def __call__(self) -> dict[str, str]:
        """What each scenario of the library is for, by name (`loader.descriptions`)."""
        return descriptions()


sys.modules[__name__].__class__ = _Package
