"""What to simulate: the scenario schema, its loader, the library and the catalogue (data)."""

from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.loader import descriptions, library, load, load_text, override
from scopedrift.scenarios.schema import Scenario

__all__ = ["Scenario", "ScenarioError", "descriptions", "library", "load", "load_text", "override"]
