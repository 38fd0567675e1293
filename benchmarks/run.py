"""All benchmarks with one command: `make bench`, or `python benchmarks/run.py [--quick]`.

Each benchmark is a script of its own and can be run alone.  `--quick` takes about two minutes on two cores
and is a gate: it ends with exit code 1 if a ratio that was measured side by side, and so does not depend on the
machine, falls below its floor.  Floors lie with a margin below the targets; absolute times never fail.
`--scale` adds 50 million events and 20,000 identities, which take minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
QUICK = {
    "simulation.py": ["--quick"],
    "detectors.py": ["--quick"],
    "adapters.py": ["--quick"],
    "metrics.py": ["--quick"],
    "tracking.py": ["--quick"],
    "importing.py": ["--records", "20000"],
    "exporting.py": ["--quick"],
    "rules.py": ["--quick"],
}
FULL: dict[str, list[str]] = {
    "simulation.py": [],
    "detectors.py": [],
    "adapters.py": [],
    "metrics.py": [],
    "tracking.py": [],
    "importing.py": [],
    "exporting.py": [],
    "rules.py": [],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the short form, for CI")
    parser.add_argument("--scale", action="store_true", help="also the large worlds")
    options = parser.parse_args()
    scripts = QUICK if options.quick else FULL
    if options.scale:
        scripts = {**scripts, "scale.py": []}
    failed = []
    for script, arguments in scripts.items():
        print(f"=== {' '.join([script, *arguments])}\n", flush=True)
        began = time.perf_counter()
        if subprocess.run([sys.executable, FOLDER / script, *arguments], check=False).returncode:
            failed.append(script)
        print(f"\n({time.perf_counter() - began:.0f} s)\n", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "every ratio is above its floor")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
