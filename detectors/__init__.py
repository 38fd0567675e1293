"""The detector interface, the built-in detectors, and adapters for other people's."""

from scopedrift.detectors.base import Detector, param
from scopedrift.detectors.knowledge import Knowledge

__all__ = ["Detector", "Knowledge", "param"]
