"""A real RabbitMQ of the test's own, that it can kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.support.certificates import make_certificates
from tests.support.kafka import free_port, start_process

__all__ = ["RabbitMQ", "rabbitmq_server"]

_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_READY_SECONDS: Final = 60.0


class RabbitMQ:
    """One node, its files in a folder: durable queues and persistent messages survive a kill."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.tls_port = free_port()
        self.certificates = make_certificates(folder)
        self._folder = folder
        self._epmd_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._env = self._environment()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Ready when it returns, after some seconds."""
        self._process = start_process([str(_SERVER)], self._folder, "rabbitmq", self._env)
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self._folder / "rabbitmq.log").read_text(errors="replace")
                raise RuntimeError(f"RabbitMQ did not start: {log[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((self._folder / "pid").read_text()), signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """Kill it and the port mapper that it left behind."""
        self.kill()
        epmd = ["epmd", "-port", str(self._epmd_port), "-kill"]
        # epmd refuses to go while it thinks that a node is registered; that passes at once.
        for _ in range(20):
            if subprocess.run(epmd, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Whether it speaks AMQP: it listens some time before it does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(1))
        except OSError:
            return False

    def _configuration(self) -> str:
        certificates = self.certificates
        lines = [
            "loopback_users = none",
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
            f"ssl_options.cacertfile = {certificates.ca}",
            f"ssl_options.certfile = {certificates.cert}",
            f"ssl_options.keyfile = {certificates.key}",
        ]
        return "\n".join(lines) + "\n"

    def _environment(self) -> dict[str, str]:
        (self._folder / "plugins").write_text("[].")
        (self._folder / "conf-env").write_text("")
        (self._folder / "rabbitmq.conf").write_text(self._configuration())
        (self._folder / "advanced.config").write_text("[].")
        folder = str(self._folder)
        return {
            "HOME": folder,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/conf-env",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
        }


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[RabbitMQ]:
    """Skips the test where RabbitMQ is not installed, unless skipping is forbidden."""
    if not _SERVER.exists() and not os.environ.get("LLM_INTEGRATIONS_NO_SKIP"):
        pytest.skip("RabbitMQ is not installed: run tests/real/install-rabbitmq")
    server = RabbitMQ(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
