"""Does a detector keep the contract that makes its results comparable?  The checks behind `scopedrift check`.

`checks` holds them, as small named functions over a `candidate`: a detector and the made-up log (`sample`) that it is
shown.  `runner` runs them, here or in another process; `deadline` ends a check that hangs, and `watch` plants truth
that no detector may read.  For your own test suite, import what this package exports.
"""

from scopedrift.detectors.conformance.runner import CheckResult, assert_conforms, check, check_apart

__all__ = ["CheckResult", "assert_conforms", "check", "check_apart"]
