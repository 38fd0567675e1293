"""Programs in other languages over JSON lines, the good ones and those that die, hang, babble or eat memory."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.adapters.program import Program
from scopedrift.detectors.conformance.runner import assert_conforms
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.isolation.child import Child
from scopedrift.detectors.loading import load
from scopedrift.detectors.spec import SpecError

SHELL = """#!/bin/sh
while IFS= read -r event; do
    case "$event" in
        *'"access":"delete"'*) echo 1 ;;
        *) echo 0 ;;
    esac
done
"""
NODE = """
const seen = new Set();
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const event = JSON.parse(line);
  if (!event.identity) return console.log("null");
  const pair = `${event.identity} ${event.operation}`;
  console.log(JSON.stringify(seen.has(pair) ? 0 : { score: 1, reason: `${event.operation} is new to it` }));
  seen.add(pair);
});
"""
LOG = sample_log(1200)
HISTORY, STREAM = LOG.batch(0, 600), LOG.batch(600, 1200)
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node here")


@pytest.fixture
def script(tmp_path: Path):
    def written(text: str, name: str = "score.sh") -> str:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return written


def python(script, text: str) -> str:
    return f"python3 {script(text, 'score.py')}"


def scored(detector: Program, size: int = 250) -> np.ndarray:
    detector.fit(HISTORY, Knowledge(seed=4))
    return np.concatenate([detector.score(batch) for batch in LOG.batches(size, 600)])


def gone(pid: int) -> bool:
    """Whether the process has ended, though perhaps nobody has asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


def failure(command: str, **terms) -> str:
    detector = Program(**{"command": command, "restarts": 0, "timeout": 600.0, **terms})
    with pytest.raises((RuntimeError, ValueError)) as error:
        scored(detector)
    return str(error.value)


def test_a_shell_script_scores_events(script) -> None:
    wanted = [float(access == "delete") for (access,) in STREAM.pairs("access")]
    assert scored(Program(command=script(SHELL))).tolist() == wanted
    assert 0 < sum(wanted) < 600


@needs_node
def test_a_node_script_learns_from_the_history_abstains_and_gives_reasons(script) -> None:
    detector = Program(command=f"node {script(NODE, 'score.js')}", memory=400)
    scores = scored(detector)
    who, what = (STREAM.text(name) for name in ("identity", "operation"))
    seen = set(zip(HISTORY.text("identity"), HISTORY.text("operation"), strict=True))
    wanted = []
    for pair in zip(who, what, strict=True):
        wanted.append(np.nan if pair[0] is None else float(pair not in seen))
        seen.add(pair)
    assert np.array_equal(scores, wanted, equal_nan=True) and np.isnan(scores).any() and np.nansum(scores) > 0
    detector.fit(HISTORY, Knowledge())
    first = int(np.nanargmax(detector.score(STREAM)))
    assert detector.explain(STREAM, first) == f"{what[first]} is new to it"
    blank = Program(command=detector.command, history=False)
    assert np.nansum(scored(blank)) > np.nansum(scores)


@pytest.mark.slow
@needs_node
def test_a_node_script_keeps_the_contract(script) -> None:
    assert_conforms(f"program(command=node {script(NODE, 'score.js')})")


@pytest.mark.slow
def test_a_shell_script_keeps_the_contract(script) -> None:
    assert_conforms(f"program(command={script(SHELL)})")


def test_an_event_is_a_json_object_of_texts_and_numbers(script, tmp_path) -> None:
    code = "import sys\nfor line in sys.stdin:\n open('seen','a').write(line)\n print('NaN' if 'x' in line else 1)\n"
    detector = Program(command=python(script, code), history=False, silence=10**6)
    detector._folder = tmp_path
    detector.fit(HISTORY, Knowledge())
    detector.score(STREAM.slice(0, 3))
    events = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    for event, own in zip(events, STREAM.slice(0, 3), strict=True):
        assert event == own.asdict()


def test_the_seed_is_in_the_environment(script) -> None:
    code = "import os, sys\nfor line in sys.stdin: print(os.environ['SCOPEDRIFT_SEED'])\n"
    assert set(scored(Program(command=python(script, code)))) == {4.0}


def test_a_flood_on_its_errors_is_cut_while_it_is_silent(script) -> None:
    code = (
        "import os, sys, time\nos.write(2, b'x' * (1 << 24))\n"
        "while os.fstat(2).st_size: time.sleep(0.01)\n"
        "for line in sys.stdin: print(1, flush=True)\n"
    )
    assert set(scored(Program(command=python(script, code)))) == {1.0}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("1" + "0" * 400, "expected a number that fits a float"),
        ("[" * 3000, "expected a number, null, or an object with a score"),
        ("[" * 900 + "]" * 900, "expected a number, null, or an object with a score"),
        ("\0" * 999, "…: expected a number, null"),
    ],
)
def test_an_answer_that_breaks_parsers_is_told_in_a_sentence(script, answer, message) -> None:
    said = failure(python(script, f"import sys\nfor line in sys.stdin: print({answer!r})\n"))
    assert message in said and "Error" not in said and len(said) < 400


def test_what_cannot_be_run_is_told_at_once(tmp_path, script) -> None:
    (tmp_path / "plain.sh").write_text(SHELL)
    for spec, message in {
        "program": "expected a program to run: program(command=./score.sh)",
        "program(command=no-such-program-here)": "no-such-program-here cannot be run: no such program",
        f"program(command={tmp_path}/plain.sh)": "cannot be run: chmod +x makes it executable",
    }.items():
        with pytest.raises(SpecError) as error:
            load(spec)
        assert message in str(error.value)
    assert "a script needs a first line such as #!/bin/sh" in failure(script("while read x; do echo 1; done"))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('no licence')", "ended with exit code 1 (memory limit: 2048 MiB): no licence"),
        ("import os; os.abort()", "died of signal 6 (SIGABRT)"),
        ("import sys\nfor line in sys.stdin: print('high')", "answered 'high': expected a number, null"),
        ("import sys\nfor line in sys.stdin: print('[1]')", "answered '[1]': expected a number, null"),
        ("import sys\nfor line in sys.stdin: print('true')", "answered 'True': expected a number, null"),
        ("import sys\nfor line in sys.stdin: print('1\\n2')", "answered more than the 600 events it was given"),
        (
            "import sys\nfor n, line in enumerate(sys.stdin): print('1\\n2' if n == 9 else 1, flush=True)",
            "answered more than the 600 events it was given: expected a line for each",
        ),
        ("import sys\nfor line in sys.stdin: print('null')", "abstained (NaN) on all of the first 500 events"),
        ("import sys\nwhile True: print('1' * 65536, end='')", "answered with more than 2,867,200 bytes"),
        (
            "import sys\nheld = [b'x' * 2**20 for _ in range(400)]",
            "ended with exit code 1 (memory limit: 150 MiB): MemoryError",
        ),
    ],
)
def test_whatever_goes_wrong_says_what_was_seen(script, code, message) -> None:
    terms = {"memory": 150} if "MemoryError" in message else {"silence": 400}
    assert message in failure(python(script, code), **terms)


@pytest.mark.parametrize(
    ("code", "done"),
    [("import time; time.sleep(60)", 0), ("import sys\nlines = sys.stdin.read()", 0)],
)
def test_a_program_that_hangs_or_waits_for_the_end_is_stopped(script, code, done) -> None:
    said = failure(python(script, code), timeout=0.5)
    assert f"answered {done} of 600 events in 0.5 s (it must read and write line by line" in said


@pytest.mark.parametrize("number", [599, 849])
def test_a_line_too_many_is_noticed_though_it_comes_later(script, tmp_path, wait_until, number) -> None:
    """After the history, or after a batch: the next answers would all be shifted."""
    code = (
        "import pathlib, sys, time\nfor n, line in enumerate(sys.stdin):\n"
        "    if n % 50 == 49: time.sleep(0.05)\n"
        "    print(n, flush=True)\n"
        f"    if n == {number}: time.sleep(0.1); print('done', flush=True)\n"
        f"    if n in (599, 849): pathlib.Path('{tmp_path}', str(n)).touch()\n"
    )
    detector = Program(command=python(script, code), restarts=0)
    detector.fit(HISTORY, Knowledge())
    with pytest.raises(ValueError, match=r"answered more than the (600|250) events it was given"):
        for first in (0, 250):
            wait_until((tmp_path / str(599 + first)).exists, "the end of what it says")
            detector.score(STREAM.slice(first, first + 250))


def test_it_is_started_again_and_shown_the_history_again(script, tmp_path) -> None:
    code = (
        "import sys, os\n"
        f"first = not os.path.exists('{tmp_path}/been'); open('{tmp_path}/been', 'w').close()\n"
        "for number, line in enumerate(sys.stdin):\n"
        "    if first and number == 700: sys.exit('a bad day')\n"
        "    print(number)\n"
    )
    command = python(script, code)
    scores = scored(Program(command=command, restarts=1))
    assert scores.tolist() == list(range(600, 1200))
    (tmp_path / "been").unlink()
    assert failure(command).endswith("a bad day")


def test_restarts_come_to_an_end(script) -> None:
    assert failure(python(script, "raise ValueError('never')"), restarts=2).endswith(
        "ValueError: never, after 2 restarts"
    )


def test_its_children_end_with_it(script, tmp_path, wait_until) -> None:
    detector = Program(command=script(f"#!/bin/sh\nsleep 300 &\necho $! > {tmp_path}/pid\n{SHELL}"))
    detector.fit(HISTORY, Knowledge())
    pid = int((tmp_path / "pid").read_text())
    assert Path(f"/proc/{pid}").exists()
    del detector
    wait_until(lambda: gone(pid), "the end of its child")


WAITS = """#!{python}
import os, sys
if os.fork() == 0:
    os._exit(0)
try:
    while True:
        os.wait()  # for each of its children, as a shell's `wait` does
except ChildProcessError:
    pass
for line in sys.stdin:
    print(0, flush=True)
"""


def test_it_may_wait_for_all_its_children(script) -> None:
    file = script(WAITS.format(python=sys.executable))
    detector = Program(command=str(file), timeout=600.0)
    detector.fit(HISTORY, Knowledge())
    assert not detector.score(STREAM).any()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files where Linux shows them")
def test_what_cannot_be_started_leaves_nothing_open(tmp_path) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    for _ in range(5):
        with pytest.raises(OSError):
            Child(["true"], memory_mib=0, folder=tmp_path / "missing")
    assert opened() <= before + 1


def test_it_does_not_outlive_a_worker_that_is_killed(script, tmp_path, wait_until) -> None:
    """Though it is busy and reads nothing, and the worker can do nothing about it any more."""
    busy = script(f"#!/bin/sh\nsleep 300 &\necho $! $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pids\nwait\n")
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from pathlib import Path; from scopedrift.detectors.isolation.child import Child\n"
            f"held = Child([{busy!r}], memory_mib=100, folder=Path('.')); time.sleep(600)",
        ]
    )
    wait_until((tmp_path / "pids").exists, "its start")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    worker.kill()
    worker.wait()
    wait_until(lambda: all(map(gone, pids)), "their end")
