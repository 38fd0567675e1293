"""The process that writes a run, so that a later one recognises abandoned runs."""

from __future__ import annotations

import re
import socket
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROCESS: Final = "scopedrift.process"
"""Tag of a run: host, process id and start (seconds since 1970) of the process that writes it."""


@cache
def this_process() -> str:
    """The tag's value for this process."""
    import psutil

    me = psutil.Process()
    return f"{socket.gethostname()} {me.pid} {me.create_time():.0f}"


def end_of_the_dead(client: MlflowClient, experiment: str) -> None:
    """Mark runs of this host as killed if the process that wrote them is gone."""
    host = f"{socket.gethostname()} "
    for run in client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'", max_results=1000):
        writer = run.data.tags.get(PROCESS, "")
        if writer.startswith(host) and not _alive(writer):
            client.set_terminated(run.info.run_id, "KILLED")


def _alive(writer: str) -> bool:
    import psutil

    found = re.fullmatch(r"\S+ (\d{1,9}) (\d+)", writer)
    if found is None:  # not written by us: nobody knows
        return True
    try:
        return f"{psutil.Process(int(found[1])).create_time():.0f}" == found[2]
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # it is there, and somebody else's
        return True
