"""An HTTP server on a socket of its own: counts what it is asked, and fails as it is told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

__all__ = ["Fault", "HttpServer", "Reply", "Request"]


@dataclass(frozen=True)
class Request:
    """``target`` is as it came over the wire; ``segments`` are its decoded path."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def segments(self) -> list[str]:
        path = self.target.partition("?")[0].strip("/")
        return [unquote(part) for part in path.split("/")] if path else []

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2]))

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """``body`` is sent as it is when it is bytes, else as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request.

    Args:
        delay: seconds before the answer; ends early when the server stops.
        reply: sent instead of the real answer.
        wire: bytes written to the socket instead of any HTTP answer, which is then closed.
        hang_up: close without a byte.
        cut: of the answer's body, only so many bytes arrive before the connection is closed.
        trickle: seconds between single bytes of the body.
        times: how many requests it hits; None means all.
        matching: whether it hits a request.
    """

    delay: float = 0.0
    reply: Reply | None = None
    wire: bytes | None = None
    hang_up: bool = False
    cut: int | None = None
    trickle: float = 0.0
    times: int | None = None
    matching: Callable[[Request], bool] = lambda request: True


class HttpServer:
    """Listens on 127.0.0.1 from ``start()`` (or ``with``) to ``stop()``; may start again.

    ``requests`` holds everything that arrived. Subclasses answer in ``handle``, which runs on a
    thread per connection, one request at a time.
    """

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.port = 0
        self._context = context
        self._faults: list[tuple[Fault, int]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self._context is not None else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def handle(self, request: Request) -> Reply:
        raise NotImplementedError

    def count(self, method: str | None = None, containing: str = "") -> int:
        return sum(
            method in (None, request.method) and containing in request.target
            for request in self.requests
        )

    def wait_for(self, requests: int, within: float = 60.0) -> None:
        """Until so many requests have arrived."""
        ends = time.monotonic() + within
        while len(self.requests) < requests:
            if time.monotonic() > ends:
                raise AssertionError(f"{len(self.requests)} requests arrived, not {requests}")
            time.sleep(0.005)

    def fail(self, fault: Fault) -> None:
        """From now on; faults that were set before come first."""
        with self._lock:
            self._faults.append((fault, 0))

    def recover(self) -> None:
        with self._lock:
            self._faults.clear()

    def start(self) -> Self:
        self._stopping.clear()
        self._server = _Server(("127.0.0.1", self.port), self)
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every connection, as a process that is killed does."""
        if self._server is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._server.cut_connections()
        self._server.server_close()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def respond(self, request: Request) -> tuple[Reply, Fault | None]:
        with self._lock:
            self.requests.append(request)
            fault = self._next_fault(request)
        if fault is not None and fault.delay:
            self._stopping.wait(fault.delay)
        if fault is not None and fault.reply is not None:
            return fault.reply, fault
        with self._lock:
            return self.handle(request), fault

    def pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _next_fault(self, request: Request) -> Fault | None:
        for place, (fault, hits) in enumerate(self._faults):
            if fault.matching(request) and (fault.times is None or hits < fault.times):
                self._faults[place] = (fault, hits + 1)
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], owner: HttpServer) -> None:
        self.owner = owner
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was quicker
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _owner(self) -> HttpServer:
        assert isinstance(self.server, _Server)
        return self.server.owner

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read ``requests`` instead."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        reply, fault = self._owner.respond(request)
        if fault is not None and (fault.hang_up or fault.wire is not None):
            self.wfile.write(fault.wire or b"")
            self.close_connection = True
            return
        self._send(reply, fault)

    def _send(self, reply: Reply, fault: Fault | None) -> None:
        raw = reply.raw
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(raw)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault is not None and fault.cut is not None:
            raw, self.close_connection = raw[: fault.cut], True
        if fault is None or not fault.trickle:
            self.wfile.write(raw)
            return
        for byte in raw:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            self._owner.pause(fault.trickle)

    do_CONNECT = do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - the base's names
