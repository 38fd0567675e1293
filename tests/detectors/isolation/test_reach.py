"""What an isolated detector can reach: a table of attempts, made in one process each for files, calls and the rest."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.isolation import confinement, syscalls
from scopedrift.detectors.isolation.isolated import Isolated

shuts_in = pytest.mark.skipif(
    confinement.landlock() < 1 or sys.platform != "linux", reason="this system cannot shut a process in"
)
TRIES = """
import ctypes, fcntl, importlib, json, mmap, os, resource, signal, socket, struct, subprocess, sys
from scopedrift.detectors import Detector

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    '''A call of the C library; raises as Python would.'''
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def system(number, *arguments):
    call('syscall', number, *arguments)


class Theirs(Detector):
    def score(self, batch):
        self.said = {}
        for name, attempt in ATTEMPTS.items():
            try:
                exec(attempt, globals() | {'batch': batch})
                self.said[name] = 'done'
            except BaseException as error:
                self.said[name] = f'{type(error).__name__}: {error}'
        return [0.0] * len(batch)

    def explain(self, batch, row):
        return json.dumps(self.said)
"""
ATTEMPTS = {
    "reads the truth": "open('{secret}/incidents.json').read()",
    "reads it through Arrow": "importlib.import_module('pyarrow.parquet').read_table('{secret}/truth.parquet')",
    "reads it with another program": "subprocess.run(['cat', '{secret}/incidents.json'], check=True)",
    "reads it with a thread": "importlib.import_module('concurrent.futures').ThreadPoolExecutor()"
    ".submit(open, '{secret}/incidents.json').result()",
    "reads a file of the system": "open('/etc/passwd').read()",
    "reads secrets of the system": "open('/etc/shadow').read()",
    "lists the folder": "os.listdir('{secret}')",
    "lists where we are": "os.listdir('{here}')",
    "lists homes": "os.listdir('/root')",
    "reads our memory": "open('/proc/{pid}/mem', 'rb')",
    "reads how we were called": "open('/proc/{pid}/cmdline', 'rb').read()",
    "reads our environment": "open('/proc/{pid}/environ', 'rb').read()",
    "goes through our root": "os.listdir('/proc/{pid}/root' + '/tmp')",
    "goes through our files": "os.readlink('/proc/{pid}/fd/0')",
    "lists devices": "os.listdir('/dev')",
    "lists processes": "os.listdir('/proc')",
    "writes a file": "open('{secret}/new', 'w')",
    "writes over a file": "open('{secret}/incidents.json', 'r+')",
    "truncates a file": "os.truncate('{secret}/incidents.json', 0)",
    "deletes a file": "os.unlink('{secret}/incidents.json')",
    "renames a file": "os.rename('{secret}/incidents.json', '{secret}/other')",
    "links a file": "os.link('{secret}/incidents.json', 'linked')",
    "makes a folder": "os.mkdir('{secret}/folder')",
    "changes rights": "os.chmod('{secret}/incidents.json', 0o777)",
    "changes the owner": "os.chown('{secret}/incidents.json', 0, 0)",
    "changes an attribute": "os.setxattr('{secret}/incidents.json', 'user.mark', b'1')",
    "removes an attribute": "os.removexattr('{secret}/incidents.json', 'user.mark')",
    "reads an attribute": "os.getxattr('{secret}/incidents.json', 'user.mark')",
    "lists attributes": "os.listxattr('{secret}/incidents.json')",
    "changes flags of its own file": "call('ioctl', os.open(SOURCE, 0), ctypes.c_ulong(0x40086602), b'@' + bytes(7))",
    "changes the project of its own file": "call('ioctl', os.open(SOURCE, 0), ctypes.c_ulong(0x401C5820), bytes(28))",
    "types into a terminal": "fcntl.ioctl(0, 0x5412, b'x')",
    "leases its own file, which others then wait for": "fcntl.fcntl(os.open(SOURCE, 0), 1024, 0)",
    "watches a folder by a signal": "fcntl.fcntl(os.open('/usr', 0), 1026, 0x80000004)",
    "has signals sent to us": "fcntl.fcntl(os.pipe()[0], 8, {pid})",
    "has signals sent to us, by a newer call": "fcntl.fcntl(os.pipe()[0], 15, struct.pack('ii', 1, {pid}))",
    "changes times": "os.utime('{secret}/incidents.json', (0, 0))",
    "connects over TCP": "socket.create_connection(('127.0.0.1', {port}), 2)",
    "connects over multipath TCP": "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
    "sends over UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'1', ('127.0.0.1', {port}))",
    "makes a Unix socket": "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "makes a pair of sockets": "socket.socketpair()",
    "makes a raw socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "makes a netlink socket": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "makes a socket for virtual machines": "socket.socket(40, socket.SOCK_STREAM)",
    "listens without a name": "socket.socket(socket.AF_INET, socket.SOCK_STREAM).listen()",
    "listens on what it was given": "call('listen', 3, 1)",
    "signals us": "os.kill({pid}, 0)",
    "signals all": "os.kill(-1, 0) if os.getpid() == 1 else os.kill({pid}, 15)",
    "limits us": "resource.prlimit({pid}, resource.RLIMIT_FSIZE, (0, 0))",
    "looks at our limits": "resource.prlimit({pid}, resource.RLIMIT_FSIZE)",
    "slows us down": "os.setpriority(os.PRIO_PROCESS, {pid}, 19)",
    "moves us to one core": "os.sched_setaffinity({pid}, [0])",
    "traces us": "call('ptrace', 16, {pid}, 0, 0)",
    "reads our memory by a call": "call('process_vm_readv', {pid}, 0, 0, 0, 0, 0)",
    "takes our open files": "system(438, 3, 0, 0)",
    "shares memory by a key": "call('shmget', 77, 4096, 0o1600)",
    "sends a message by a key": "call('msgget', 77, 0o1600)",
    "takes a semaphore by a key": "call('semget', 77, 1, 0o1600)",
    "opens a message queue": "system({mq_open}, b'/queue', 0o102, 0o600, 0)",
    "adds a key to a keyring": "system({add_key}, b'user', b'mark', b'1', 1, -3)",
    "reads a keyring": "system({keyctl}, 0, -3, 0)",
    "makes memory that no limit counts": "os.memfd_create('hidden')",
    "mounts": "call('mount', b'none', b'.', b'tmpfs', 0, None)",
    "changes the root": "os.chroot('.')",
    "leaves its namespaces": "call('setns', 0, 0)",
    "makes a namespace": "call('unshare', 0x10000000)",
    "makes one while it forks": "system({clone}, 0x10000000 | 17, 0, 0, 0, 0)",
    "forks by a newer call": "system(435, 0, 0)",
    "uses a ring of calls": "system(425, 8, ctypes.create_string_buffer(120))",
    "loads a program into the kernel": "system({bpf}, 5, 0, 0)",
    "counts what the kernel does": "system({perf_event_open}, 0, 0, -1, -1, 0)",
    "handles page faults": "system({userfaultfd}, 0)",
    "opens a file by its handle": "call('name_to_handle_at', -100, b'.', 0, 0, 0)",
    "watches a file": "call('inotify_add_watch', 0, b'{secret}', 0xfff)",
    "sets the clock": "call('clock_settime', 0, ctypes.create_string_buffer(16))",
    "names the machine": "call('sethostname', b'x', 1)",
    "uses a call that is newer than the list": "system(470, 0, 0, 0)",
    "imports the simulator": "importlib.import_module('scopedrift.simulator.engine')",
    "imports the workloads": "importlib.import_module('scopedrift.simulator.workloads.training')",
    "imports the incidents": "importlib.import_module('scopedrift.simulator.injection.incidents')",
    "imports how it is judged": "importlib.import_module('scopedrift.experiments.evaluation.evaluate')",
    "imports the public interface": "importlib.import_module('scopedrift').simulate('tiny', seed=0)",
    "reads the scenarios": "open('{package}/scenarios/library/core.yaml').read()",
    "reads the simulator": "open('{package}/simulator/engine.py').read()",
    "makes a column writeable": "setattr(batch['identity'].flags, 'writeable', True)",
    "makes the memory of a column writeable": "call('mprotect', ctypes.c_void_p(batch['time'].ctypes.data & -4096),"
    " 4096, 3)",
}  # fmt: skip
REFUSED = (
    "PermissionError", "FileNotFoundError", "CalledProcessError", "ProcessLookupError", "ModuleNotFoundError",
    "ImportError", "OSError: [Errno 1]", "OSError: [Errno 13]", "OSError: [Errno 18]", "OSError: [Errno 38]",
    "ValueError: cannot set WRITEABLE flag",
)  # fmt: skip


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, secret: Path) -> dict[str, str]:
    """By attempt: what came of it."""
    import scopedrift.simulator

    at = syscalls._COLUMN[os.uname().machine]
    numbers = {name: row[at] for name, row in syscalls.FORBIDDEN.items()} | {"clone": syscalls._CLONE[at]}
    package = Path(scopedrift.simulator.__path__[0]).parent
    log = sample_log(200)
    with socket.create_server(("127.0.0.1", 0)) as server:
        terms = {"secret": secret, "here": Path.cwd(), "pid": os.getpid(), "port": server.getsockname()[1]}
        attempts = {name: text.format(**terms, **numbers, package=package) for name, text in ATTEMPTS.items()}
        path = tmp_path_factory.mktemp("theirs") / "theirs.py"
        path.write_text(f"{TRIES}\nSOURCE, ATTEMPTS = {str(path)!r}, {attempts!r}\n")
        detector = Isolated(detector=f"{path}:Theirs", timeout=120.0)
        detector.fit(log.batch(0, 100), Knowledge())
        stream = log.batch(100, 200)
        detector.score(stream)
        return json.loads(detector.explain(stream, 0))


@shuts_in
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda text: text.replace(" ", "-"))
def test_it_reaches_nothing(said: dict[str, str], attempt: str) -> None:
    assert said[attempt].startswith(REFUSED), said[attempt]


@shuts_in
def test_nothing_was_changed(said: dict[str, str], secret: Path) -> None:
    assert sorted(path.name for path in secret.iterdir()) == ["incidents.json", "truth.parquet"]
    assert (secret / "incidents.json").read_text() == "[1]"
    assert (secret / "incidents.json").stat().st_mode & 0o777 != 0o777


WITHOUT_LANDLOCK = """
import ctypes, sys
from scopedrift.detectors.isolation import syscalls as s
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
steps = [s._step(s._LOAD, s._NUMBER), s._step(s._EQUAL, 444, 0, 1), s._step(s._RETURN, s._ERRNO | 38),
         s._step(s._RETURN, s._ALLOW)]
assert s.install(b"".join(steps))
from scopedrift.experiments.cli import main
from scopedrift.reports import report
from scopedrift.reports.style import RC
RC["pdf.fonttype"] = 3  # embedded the quick way
report.TIME_LINES, report.TIME_LINES_FOLDED = 2, 1
sys.argv = ["scopedrift", *sys.argv[1:]]
main()
"""
SMALL = "name: small\nextends: tiny\nhorizon: 36h\nwindows: {baseline: 12h, calibration: 12h}\n"


@shuts_in
@pytest.mark.parametrize("required", [True, False])
def test_on_a_kernel_without_landlock_isolation_that_is_required_is_refused(tmp_path: Path, required: bool) -> None:
    (tmp_path / "mine.py").write_text(
        "from scopedrift.detectors import Detector\n\n\nclass Mine(Detector):\n"
        "    def score(self, batch):\n        return [0.0] * len(batch)\n"
    )
    (tmp_path / "small.yaml").write_text(SMALL)
    command = [sys.executable, "-c", WITHOUT_LANDLOCK, "run", "small.yaml", "--seeds", "1", "--detector", "./mine.py"]
    command += ["--no-track", "--out", "out", *(["--require-isolation"] if required else [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "this system cannot close files to a process (Landlock of Linux 5.13)" in done.stderr, done.stderr
    assert done.stderr.count("Landlock") == 1  # told once
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if required else 0)
    cells = tmp_path / "out" / "tables" / "cells.csv"
    assert cells.exists() != required and (required or "own process" in cells.read_text())
