"""Sweeps: many cells (scenario, seed, detector), each run once, on one machine or many.

`cells` says what a cell is and keeps finished ones; `work` is what a worker does with one world; `engine` hands worlds
to workers through Dask; `run.sweep` puts them together.
"""

from scopedrift.experiments.running.sweep.run import Swept, sweep

__all__ = ["Swept", "sweep"]
