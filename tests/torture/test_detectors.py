"""Hostile detectors: each costs its own cell at most, says why in a line, and changes nothing for its neighbour."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psutil
import pytest

from scopedrift.detectors.isolation.placement import asked_with
from scopedrift.experiments.running.sweep import sweep
from scopedrift.scenarios.suite import load_suite

HEAD = """
import array, asyncio, atexit, builtins, ctypes, decimal, fcntl, gc, glob, locale, mmap, os, random, re, resource
import signal, socket, struct, subprocess, sys, tempfile, threading, time, warnings, weakref
import numpy as np
import pandas as pd
from scopedrift.detectors import Detector

libc = ctypes.CDLL(None, use_errno=True)


def forge(header, body=b''):
    '''Answers in place of the side that was to ask this detector.'''
    os.write(3, struct.pack('<QQ', len(header), len(body)) + header + body)
    os._exit(0)


before = {before}


def overwrite(column):
    ctypes.memset(column.ctypes.data, 0, column.nbytes)


def files():
    return [int(name) for name in os.listdir('/proc/self/fd') if int(name) > 2]


def on_files(change):
    for number in files():
        try:
            change(number)
        except OSError:
            pass


class Theirs(Detector):
    name = 'theirs'

    def fit(self, history, knowledge):
        {fit}

    def score(self, batch):
        {score}
        return np.random.default_rng(1).random(len(batch))

    def explain(self, batch, row):
        {explain}
        return 'a reason'

    def parts(self):
        {parts}
        return ()
"""


class Hostile(NamedTuple):
    """Code of a detector by method, and a part of the reason why its cell has no result; None where it may have one."""

    score: str = "pass"
    reason: str | None = None
    fit: str = "pass"
    explain: str = "pass"
    parts: str = "pass"
    before: str = "None"


ANY = ""
"""It fails, for whatever reason."""
RAISES = {
    "KeyboardInterrupt": Hostile("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "SystemExit": Hostile("raise SystemExit(0)", "SystemExit"),
    "GeneratorExit": Hostile("raise GeneratorExit", "GeneratorExit"),
    "StopIteration": Hostile("raise StopIteration", "StopIteration"),
    "CancelledError": Hostile("raise asyncio.CancelledError", "CancelledError"),
    "a group of exceptions": Hostile("raise BaseExceptionGroup('g', [KeyboardInterrupt(), ValueError()])", "Group"),
    "endless recursion": Hostile("f = lambda: f(); f()", "RecursionError"),
    "a stack that overflows": Hostile("sys.setrecursionlimit(10**9); f = lambda: f(); f()", ANY),
    "a text that raises": Hostile("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "Odd"),
    "a text that is endless": Hostile("raise ValueError('x' * 10**8)", "ValueError"),
    "a text that steers terminals": Hostile("raise ValueError('\\x1b[2J\\x07\\n\\u202e')", "ValueError"),
    "a class without a name": Hostile("raise type('', (Exception,), {})", ANY),
    "a text of surrogates": Hostile("raise ValueError('\\ud800')", "ValueError"),
    "in fit": Hostile(fit="raise KeyboardInterrupt", reason="failed in fit"),
    "while it is loaded": Hostile(before="1 / 0", reason="ZeroDivisionError"),
    "an end while it is loaded": Hostile(before="os._exit(0)", reason=ANY),
    "while it explains": Hostile(explain="raise SystemExit(0)", reason="SystemExit"),
    "in its rules": Hostile(parts="raise GeneratorExit", reason="GeneratorExit"),
}
ENDS = {
    "exit code 0": Hostile("os._exit(0)", "ended with exit code 0"),
    "exit code 3": Hostile("os._exit(3)", "ended with exit code 3"),
    "abort": Hostile("os.abort()", "SIGABRT"),
    "SIGKILL": Hostile("os.kill(os.getpid(), 9)", "SIGKILL"),
    "SIGSEGV": Hostile("ctypes.string_at(0)", "SIGSEGV"),
    "SIGTERM": Hostile("os.kill(os.getpid(), 15)", ANY),
    "an alarm": Hostile("signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(60)", "SIGALRM"),
    "closed files": Hostile("os.closerange(0, 200)", ANY),
    "a limit of processor time": Hostile(
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n        while True: pass", ANY
    ),
    "a small integer that changes": Hostile("[ctypes.memset(id(i) + 16, 7, 8) for i in range(-5, 200)]", ANY),
}
HANGS = {
    "sleep": Hostile("time.sleep(600)", "did not score within"),
    "a loop": Hostile("while True: pass", "did not score within"),
    "a loop that swallows all": Hostile(
        "while True:\n            try: time.sleep(9)\n            except BaseException: pass", "did not score within"
    ),
    "a lock": Hostile("lock = threading.Lock(); lock.acquire(); lock.acquire()", "did not score within"),
    "a pipe": Hostile("os.read(os.pipe()[0], 1)", "did not score within"),
    "a stop": Hostile("os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)", None),
    "a pattern": Hostile("re.match('(a+)+$', 'a' * 64 + 'b')", "did not score within"),
    "an iterable without end": Hostile("return iter(int, 1)", ANY),
    "while it explains": Hostile(explain="time.sleep(600)", reason="did not explain within"),
}
ANSWERS = {
    "nothing": Hostile("return None", "NoneType"),
    "a number": Hostile("return 1.0", ANY),
    "a text": Hostile("return 'high' * len(batch)", ANY),
    "a mapping": Hostile("return {i: 1.0 for i in range(len(batch))}", ANY),
    "texts": Hostile("return ['1.0'] * len(batch)", "dtype"),
    "complex numbers": Hostile("return np.ones(len(batch), complex)", "dtype complex128"),
    "objects": Hostile("return np.full(len(batch), object())", ANY),
    "dates": Hostile("return np.zeros(len(batch), 'datetime64[s]')", "dtype"),
    "records": Hostile("return np.zeros(len(batch), [('a', float)])", "dtype"),
    "a table": Hostile("return np.zeros((len(batch), 2))", "shape"),
    "too few": Hostile("return np.zeros(len(batch) - 1)", "shape"),
    "too many": Hostile("return np.zeros(10**7)", "shape"),
    "a range of a billion": Hostile("return range(10**9)", "shape (1000000000,)"),
    "a generator": Hostile("return (1.0 for _ in range(len(batch)))", ANY),
    "an array that raises": Hostile("return type('A', (), {'__array__': lambda *a, **k: 1 / 0})()", ANY),
    "a length that lies": Hostile("return type('L', (list,), {'__len__': lambda self: len(batch)})([1.0])", ANY),
    "a length that is negative": Hostile("return type('L', (list,), {'__len__': lambda self: -1})([1.0])", ANY),
    "only NaN": Hostile("return np.full(len(batch), np.nan)", None),
    "lists within lists": Hostile("x = []; x.append(x); return x * len(batch)", ANY),
    "a reason that is no text": Hostile(explain="return 7", reason="expected one sentence"),
    "a reason without end": Hostile(explain="return 'x' * 10**8", reason=None),
    "a reason that steers terminals": Hostile(explain="return '\\x1b[2J\\ud800'", reason=None),
    "rules that are no rules": Hostile(parts="return 7", reason="expected a sequence of Part"),
    "rules without a type": Hostile(parts="return ['x'] * 3", reason=ANY),
    "a forged answer": Hostile("os.write(3, struct.pack('<QQ', 2, 0) + b'{}'); time.sleep(600)", ANY),
    "an answer that is none": Hostile("os.write(3, b'\\xff' * 64); time.sleep(600)", ANY),
}
HABITS = {
    "a flood on its output": Hostile("[os.write(1, b'x' * (1 << 20)) for _ in range(200)]"),
    "a flood on its errors": Hostile("[os.write(2, b'x' * (1 << 20)) for _ in range(200)]"),
    "memory beyond its limit": Hostile("self.held = np.ones(1 << 30)", "MemoryError"),
    "a thread that stays": Hostile(fit="threading.Thread(target=time.sleep, args=(600,)).start()", reason="a thread"),
    "a daemon that works on": Hostile(
        fit="threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()"
    ),
    "sixty children": Hostile(fit="[subprocess.Popen(['sleep', '601']) for _ in range(60)]"),
    "a child in a session of its own": Hostile(fit="subprocess.Popen(['sleep', '601'], start_new_session=True)"),
    "a twin that answers too": Hostile("os.fork()", None),
    "an end that hangs": Hostile(fit="atexit.register(time.sleep, 600)"),
    "a handler of a signal": Hostile(fit="signal.signal(15, lambda *_: None)", reason="signal"),
    "another folder": Hostile(fit="os.mkdir('in'); os.chdir('in')", reason="working directory"),
    "another locale": Hostile(fit="locale.setlocale(0, 'C')", reason="locale"),
    "modules gone": Hostile("sys.modules.clear()", None),
    "built-ins gone": Hostile("vars(builtins).clear()", None),
}


def forged(header: object, body: str = "b''") -> str:
    """Code that answers with this header."""
    return f"forge({json.dumps(header).encode()!r}, {body})"


STEER, NESTED = "\ud800\x1b[2J\u202e", "forge(b'[' * 900_000)"
ABOUT: dict[str, object] = {"name": "x", "needs": [], "parameters": {}, "searched": [], "rules": False}
FORGED = {
    "a header nested without end": Hostile(NESTED, "nested too deeply"),
    "the same while it is loaded": Hostile(before=NESTED, reason="nested too deeply"),
    "an error that steers terminals": Hostile(before=forged({"error": STEER}), reason="[2J"),
    "needs that are none": Hostile(before=forged({**ABOUT, "needs": [[1], None]}), reason="unknown knowledge"),
    "parameters that are none": Hostile(before=forged({**ABOUT, "searched": [7]}), reason="nothing of its parameters"),
    "a name that steers terminals": Hostile(before=forged({**ABOUT, "name": STEER}), reason=ANY),
    "wishes for no column": Hostile(forged({"want": [[]], "start": 0, "stop": 1}), "no column"),
    "memory given back that it never had": Hostile(forged({"free": [[1], True, -1, {}]}, "bytes(8 * len(batch))"), ANY),
    "rules of other types": Hostile(parts=forged({"parts": [[1, {}, [], None, -1]]}), reason="is not text"),
    "positions that are cut": Hostile(parts=forged({"parts": []}, "b'123'"), reason="no list of rules"),
}
"""What Python code can write in place of the side that asks it, in its own process."""
KINDS = {"raises": RAISES, "ends": ENDS, "hangs": HANGS, "answers": ANSWERS, "habits": HABITS, "forges": FORGED}
ROUTES = {
    "memory of a view": Hostile("memoryview(batch['time']).cast('B')[0:8] = b'1' * 8"),
    "memory beyond the batch": Hostile("np.lib.stride_tricks.as_strided(batch['time'], (9999,))[:] = 0"),
    "memory by its address": Hostile("ctypes.memmove(batch['identity'].ctypes.data, b'1' * 64, 64)"),
    "memory that is thrown away": Hostile(
        "for name in batch.columns: libc.madvise(ctypes.c_void_p(batch[name].ctypes.data & -4096), 4096, 9)"
    ),
    "files of the memory, cut short": Hostile("batch.frame(); on_files(lambda f: os.ftruncate(f, 0))"),
    "files of the memory, written": Hostile("batch.frame(); on_files(lambda f: os.pwrite(f, b'1' * 4096, 0))"),
    "holes in files of the memory": Hostile("batch.frame(); on_files(lambda f: libc.fallocate(f, 3, 0, 1 << 16))"),
    "seals of files of the memory": Hostile("batch.frame(); on_files(lambda f: fcntl.fcntl(f, 1033, 15))"),
    "the channel, shut": Hostile("libc.shutdown(3, 2)"),
    "the channel, full of files": Hostile(
        "socket.send_fds(socket.socket(fileno=os.dup(3)), [b'x'], [1, 2]); time.sleep(600)"
    ),
    "files of its own, by the thousand": Hostile(
        """
        mine, wish = socket.socket(fileno=os.dup(3)), b'{"want": ["time"], "start": 0, "stop": 0}'
        for _ in range(500):
            socket.send_fds(mine, [struct.pack('<QQ', len(wish), 0) + wish], [0, 0, 0, 0])
            mine.recv(struct.unpack('<QQ', mine.recv(16, socket.MSG_WAITALL))[0], socket.MSG_WAITALL)"""
    ),
    "a child that acts later": Hostile(
        fit="""
        if not os.fork():
            time.sleep(0.2)
            overwrite(history['operation'])
            os._exit(0)"""
    ),
    "names that have arrived": Hostile(
        "[values.clear() for values in vars(batch.vocabulary).values() if hasattr(values, 'clear')]"
    ),
    "what it was told": Hostile(fit="[vars(knowledge).update({n: None}) for n in list(vars(knowledge))]"),
    "the class of batches": Hostile(fit="type(history).__getitem__ = lambda self, name: np.zeros(len(self), int)"),
    "the registry of detectors": Hostile(
        fit="__import__('scopedrift.detectors.registry'); sys.modules['scopedrift.detectors.registry'].BUILTIN.clear()"
    ),
    "other modules in our names": Hostile(
        fit="[sys.modules.__setitem__(n, None) for n in list(sys.modules) if n.startswith('scopedrift')]"
    ),
    "settings of numpy": Hostile(fit="np.seterr(all='raise'); np.set_printoptions(precision=1); np.random.seed(1)"),
    "settings of the process": Hostile(
        fit="os.umask(0o777); os.nice(5); os.environ.clear(); decimal.getcontext().prec = 1; gc.disable()"
    ),
    "our own files": Hostile(
        "for root in {type(self).__mro__[1].__module__ and os.path.dirname(np.__file__)}:\n"
        "            open(os.path.join(root, 'poison.pth'), 'w').write('import os')"
    ),
    "compiled files of ours": Hostile(
        "import scopedrift.detectors as ours; folder = os.path.dirname(ours.__file__)\n"
        "        for name in glob.glob(f'{folder}/__pycache__/*.pyc'): open(name, 'r+b').write(b'')"
    ),
    "files in temporary folders": Hostile(
        "for name in glob.glob('/tmp/scopedrift-*') + glob.glob('/dev/shm/*'): os.unlink(name)"
    ),
    "a signal to who started it": Hostile("os.kill(os.getppid(), signal.SIGSTOP)"),
    "a signal to its group": Hostile("os.killpg(0, signal.SIGKILL)"),
    "arenas of Arrow": Hostile(
        "import pyarrow as pa; buffer = pa.py_buffer(batch['time']); ctypes.memset(buffer.address, 0, buffer.size)"
    ),
}
Judge = Callable[[str], tuple[str, str]]


def written(folder: Path, hostile: Hostile) -> str:
    path = folder / "theirs.py"
    path.write_text(HEAD.format(**hostile._asdict()))
    return f"isolated(detector={path}:Theirs, timeout=5, memory=2048, fit_timeout=60)"


CASES = [pytest.param(each, id=f"{kind}-{name}") for kind, cases in KINDS.items() for name, each in cases.items()]


@pytest.mark.parametrize("hostile", CASES)
def test_a_hostile_detector_costs_its_own_cell(judge: Judge, tmp_path: Path, hostile: Hostile) -> None:
    status, reason = judge(written(tmp_path, hostile))
    if hostile.reason is not None:
        assert status == "failed" and hostile.reason in reason
    assert len(reason) < 700 and "\x1b" not in reason and "\n" not in reason
    assert (status == "failed") == bool(reason)


@pytest.mark.parametrize("route", [pytest.param(each, id=name) for name, each in ROUTES.items()])
def test_no_route_leads_to_the_neighbour(judge: Judge, tmp_path: Path, route: Hostile) -> None:
    judge(written(tmp_path, route))  # which fails if the neighbour's result has changed


def test_nothing_that_they_started_is_left(judge: Judge, tmp_path: Path, wait_until: Any) -> None:
    for fit in (
        "[subprocess.Popen(['sleep', '602'], start_new_session=True) for _ in range(5)]",
        "os.fork() or os.fork()",
    ):
        judge(written(tmp_path, Hostile(fit=fit)))
    ours = psutil.Process(os.getpid())
    left = lambda: [p for p in ours.children(recursive=True) if "602" in p.cmdline()]  # noqa: E731
    wait_until(lambda: not left(), "the end of what they started")


def test_cells_of_a_poisoned_store_are_clean(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(HEAD.format(**Hostile(fit="overwrite(history['identity'])")._asdict()))
    poison = asked_with(str(tmp_path / "theirs.py"), "off")
    about = {"name": "mine", "scenarios": ["tiny"], "seeds": 2}
    for detectors in ([poison, "first-seen"], ["first-seen", poison]):
        found = sweep(load_suite({**about, "detectors": detectors}), tmp_path / "store").tables["cells"]
        assert (found.set_index("detector").loc["theirs", "status"] == "failed").all()
    innocent = load_suite({**about, "detectors": ["first-seen"]})
    served, clean = sweep(innocent, tmp_path / "store"), sweep(innocent, tmp_path / "clean")
    assert served.ran == 0 and clean.ran > 0
    for name, rows in clean.tables.items():
        timed = [column for column in rows if "_seconds" in column]
        pd.testing.assert_frame_equal(served.tables[name].drop(columns=timed), rows.drop(columns=timed))
