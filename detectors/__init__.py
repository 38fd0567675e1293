"""The detector interface, the built-in detectors, and adapters for other people's.

The package is also a function: `scopedrift.detectors()` returns every detector's name and summary.
"""

import sys
from types import ModuleType

from scopedrift.detectors.base import Detector, param
from scopedrift.detectors.knowledge import Knowledge

__all__ = ["Detector", "Knowledge", "param"]


class _Package(ModuleType):
    """A package that can be called: importing it must not hide the function of that name in `scopedrift`."""

    def __call__(self) -> dict[str, str]:
        """What each detector does, by name (`loading.summaries`)."""
        from scopedrift.detectors.loading import summaries

        return summaries()


sys.modules[__name__].__class__ = _Package
