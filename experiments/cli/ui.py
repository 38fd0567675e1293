"""`scopedrift ui`: serve MLflow's pages for the tracked runs, on this machine only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.cli.output import remark
from scopedrift.experiments.errors import UsageError

HOST = "127.0.0.1"


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
    runs: Annotated[Path, typer.Option(help="Folder that holds mlflow.db.")] = Path("runs"),
) -> None:
    """Serve the MLflow pages of tracked runs; Ctrl-C stops the server."""
    from scopedrift.experiments.tracking import database_of, masked, quiet_environment, tracking_uri

    uri = tracking_uri(runs)
    if uri.startswith(("http://", "https://")):
        print(f"MLFLOW_TRACKING_URI already names a server: {masked(uri)}")
        return
    database = database_of(uri)
    if database and not database.is_file():
        raise UsageError(f"no runs tracked yet ({database} does not exist): start with `scopedrift run quickstart`")
    if not _free(port):
        raise UsageError(f"port {port} is in use: choose another with --port")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    if database:
        command += ["--artifacts-destination", (database.parent / "artifacts").as_uri()]
    print(f"http://{HOST}:{port}  (ready in a few seconds; Ctrl-C stops it)", flush=True)
    server = subprocess.Popen(command, env={**os.environ, **quiet_environment()})
    try:
        code = server.wait()
    except BaseException:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
        raise
    if code:
        remark(f"the MLflow server ended with exit code {code}")
        raise typer.Exit(1)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
