"""Starts the real vLLM server, in the environment that tests/real/install-vllm builds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

__all__ = ["VENV", "VllmServer", "make_tiny_model"]

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-vllm"
READY_SECONDS = 900.0
MIDDLEWARE = "llm_integrations.vllm.SchemaMiddleware"


def make_tiny_model(folder: Path) -> Path:
    """A model of a few kilobytes in ``folder``, made once."""
    if not (folder / "config.json").exists():
        script = ROOT / "tests/real/vllm/make_tiny_model.py"
        subprocess.run([VENV / "bin/python", script, folder], check=True, env=_environment())
    return folder


def _environment() -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))},
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "TQDM_DISABLE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "auto",
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
    }


def _give_way(session: int) -> None:
    """Where Linux shares the processor out by session, ``nice`` alone lets a client starve."""
    autogroup = Path(f"/proc/{session}/autogroup")
    if autogroup.exists():
        autogroup.write_text("10")


class VllmServer:
    """One run of the server. ``start`` returns when it is ready; ``stop`` when it has ended.

    Args:
        model: folder of the model.
        config: the middleware's configuration, written to a YAML file in ``folder``; None leaves
            the middleware out.
        folder: for the configuration and the log.
        names: what the model is called; several names let several rules apply to one server.
        options: further options of ``vllm serve``.
        environment: further environment variables.
    """

    def __init__(
        self,
        model: Path,
        config: Mapping[str, Any] | None,
        folder: Path,
        *,
        names: Sequence[str] = ("tiny",),
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = folder / "vllm.log"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        path = folder / "vllm.yaml"
        path.write_text(yaml.safe_dump(dict(config or {}), sort_keys=False), encoding="utf-8")
        command = f"nice {VENV}/bin/vllm serve {model} --host 127.0.0.1 --port {self.port}"
        command += " --dtype bfloat16 --max-model-len 1024 --max-num-seqs 8 --enforce-eager"
        command += f" --middleware {MIDDLEWARE}" if config is not None else ""
        command += " --served-model-name"
        self._command = [*command.split(), *names, *options]
        variables = {"LLM_INTEGRATIONS_VLLM_CONFIG": str(path), **(environment or {})}
        self._environment = {**_environment(), **variables}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.launch()
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self.ended is not None:
                raise RuntimeError(f"vllm ended with {self.ended}:\n{self.tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"vllm is not ready:\n{self.tail()}")
            time.sleep(0.5)

    def launch(self) -> None:
        """Start without waiting until it is ready."""
        with self.log.open("wb") as log:
            # A session of its own, so that its engine's processes end with it.
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _give_way(self._process.pid)

    @property
    def ended(self) -> int | None:
        """The exit code, once it has ended."""
        return None if self._process is None else self._process.poll()

    def wait(self, seconds: float) -> int:
        """The exit code. Raises TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all series of that name with these labels, in the server's /metrics."""
        from prometheus_client.parser import text_string_to_metric_families

        text = httpx.get(f"{self.url}/metrics", timeout=30).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @contextmanager
    def running(self) -> Iterator[VllmServer]:
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
