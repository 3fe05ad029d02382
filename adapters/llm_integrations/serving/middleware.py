"""The ASGI middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.observability import RULES_RELOADS, get_logger
from llm_integrations.core.registry import Registry
from llm_integrations.serving.asgi.app_routes import check_routes
from llm_integrations.serving.asgi.gate import Gate, gate_for
from llm_integrations.serving.asgi.lifespan import run_lifespan
from llm_integrations.serving.asgi.refusal import Refuser
from llm_integrations.serving.asgi.request_handler import RequestHandler
from llm_integrations.serving.asgi.routes import Routes
from llm_integrations.serving.asgi.stored import StoredReader
from llm_integrations.serving.asgi.types import ASGIApp, Receive, Scope, Send
from llm_integrations.serving.config.auth import AuthConfig
from llm_integrations.serving.config.file import MiddlewareConfig, file_of, load_config
from llm_integrations.serving.rules.paths import canonical
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.runtime.examine import Examined, examine
from llm_integrations.serving.runtime.rules_file import RulesFile
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.runtime.server import Server
from llm_integrations.serving.shapes.failure import Failure

__all__ = ["SchemaMiddleware"]

log = get_logger(__name__)

_MISCONFIGURED: Final = Failure(
    500, "InternalServerError", "the schema middleware is not configured right"
)
_MOST_MET: Final = 1000
"""Paths of which is remembered what answers there, beside those that rules name."""

_Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class SchemaMiddleware:
    """Judges requests before inference and answers after it, by the schemas of a registry.

    Any OpenAI-compatible ASGI app takes it as ``app.add_middleware(SchemaMiddleware, config=…)``.
    A path without rules passes untouched.

    A wrong configuration ends the server's start with a message. Where the server runs no
    lifespan, the first request starts everything, and with a wrong configuration every request
    is answered with 500, since what should be judged is not known.

    Args:
        app: the next app.
        config: the values, the path of a YAML file, or None for the environment's.
        registry: a client to use instead of what the configuration says; it stays open.

    Attributes:
        server: the kind of server that it stands in front of.
    """

    server: ClassVar[Server] = Server()

    def __init__(
        self,
        app: ASGIApp,
        config: MiddlewareConfig | Mapping[str, Any] | str | Path | None = None,
        *,
        registry: Registry | str | None = None,
    ) -> None:
        self.app = app
        self._config = config
        self._registry = registry
        self._runtime: Runtime | None = None
        self._handlers: Mapping[str, _Handler] | None = None
        self._ruled: dict[tuple[Planner, ...], RequestHandler] = {}
        self._met: dict[str, _Handler | None] = {}
        self._gate: Callable[[], Gate] | None = None
        self._stored: StoredReader | None = None
        self._following: asyncio.Task[None] | None = None
        self._retired: list[Runtime] = []

    @classmethod
    def examine(
        cls, config: MiddlewareConfig | Mapping[str, Any] | str | Path | None = None
    ) -> Examined:
        """Check a configuration as the start does, without starting anything.

        Raises:
            ConfigurationError: with everything that is wrong.
        """
        return examine(cls.server, config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            handlers = self._handlers
            if handlers is None:
                handlers = await self._begin_late()
            path = _path(scope) if scope.get("root_path") else scope["path"]
            handler = handlers.get(path)
            if handler is None:
                met = self._met
                handler = met[path] if path in met else self._ruled_by_another_name(path)
            if handler is not None:
                await handler(scope, receive, send)
                return
        elif scope["type"] == "lifespan":
            start, ready, stop = self._begin, self._ready, self.stop
            await run_lifespan(self.app, scope, receive, send, start=start, ready=ready, stop=stop)
            return
        elif scope["type"] == "websocket" and not await self._takes_socket(scope):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)

    def _ruled_by_another_name(self, path: str) -> _Handler | None:
        """``//v1/chat/completions`` is no way round a rule, whatever the app makes of it, and
        ``GET /v1/responses/ID`` none to an answer that was withheld."""
        found: _Handler | None = self._ruled_as(path)
        if self._stored is not None:
            found = self._stored.handler(path, found)
        found = found or self._pass_by(path)
        if len(path) < 200:
            if len(self._met) >= _MOST_MET:
                self._met.clear()
            self._met[path] = found
        return found

    def _ruled_as(self, path: str) -> RequestHandler | None:
        runtime = self._runtime
        return None if runtime is None else self._handler(self._planners(runtime, path))

    def _pass_by(self, path: str) -> _Handler | None:
        """What answers on a path that no rule is for: nothing of ours."""
        return None

    def _planners(self, runtime: Runtime, path: str) -> tuple[Planner, ...]:
        return runtime.rules.on(path)

    def _handler(self, planners: tuple[Planner, ...]) -> RequestHandler | None:
        """The handler of the paths that these rules, read so, are for."""
        if not planners or self._runtime is None or self._gate is None or self._stored is None:
            return None
        if planners not in self._ruled:
            made = RequestHandler(planners, self._runtime, self.app, self._gate, self._stored)
            self._ruled[planners] = made
        return self._ruled[planners]

    async def _takes_socket(self, scope: Scope) -> bool:
        """What passes through a socket is not judged, so no rule that enforces lets one through."""
        if self._handlers is None:
            await self._begin_late()
        ruled = self._ruled_as(_path(scope))
        if ruled is not None:
            return ruled.passes_unjudged("a socket cannot be judged")
        return not isinstance(self._handlers, _Everywhere)

    async def _begin(self) -> None:
        runtime, file = self._open()
        await runtime.start()
        self._follow(file)

    def _ready(self) -> None:
        if self._gate is not None and self._runtime is not None:
            self._gate()
            self._check_routes(self._runtime)

    def _check_routes(self, runtime: Runtime) -> None:
        check_routes(self.app, runtime)

    async def _begin_late(self) -> Mapping[str, _Handler]:
        """Without a lifespan: what is wrong can only be said in the log and to clients."""
        try:
            runtime, file = self._open()
            self._check_routes(runtime)
            await runtime.listen()
            self._follow(file)
        except LLMIntegrationsError as error:
            log.error("%s middleware cannot start: %s", self.server.name, error)
            self._handlers = _Everywhere(self.app)
        assert self._handlers is not None  # noqa: S101 - set either way
        return self._handlers

    def _open(self) -> tuple[Runtime, RulesFile | None]:
        path = file_of(self._config, self.server.config_variable)
        file = None if path is None else RulesFile(path)
        runtime = self._made(self._config)
        self._install(runtime, self._gate_for(runtime))
        return runtime, file

    def _made(self, config: Any) -> Runtime:
        return Runtime(self.server, config, self._registry)

    def _gate_for(self, runtime: Runtime) -> Callable[[], Gate]:
        # Found late: the app has built all of its own middleware by its first request.
        gate = cache(lambda: gate_for(self.app, runtime))
        if isinstance(runtime.config.auth, AuthConfig):
            gate()  # a key that is not set ends the start
        return gate

    def _install(self, runtime: Runtime, gate: Callable[[], Gate]) -> None:
        """From here on requests meet this configuration; those under way keep theirs."""
        self._runtime, self._gate = runtime, gate
        on = partial(self._planners, runtime)
        self._stored = StoredReader(runtime, self.app, gate, on)
        self._met.clear()
        self._ruled.clear()
        handlers: dict[str, _Handler] = {}
        for path, planners in runtime.rules.by_path.items():
            if (ruled := self._handler(planners)) is not None:
                handlers[path] = ruled
        if runtime.config.routes:
            routes = Routes(runtime, gate, self.app)
            handlers["/schemas/health"] = routes.health
            handlers["/schemas/rules"] = routes.rules
        if runtime.follower.receiver is not None and runtime.config.events.webhook is not None:
            handlers[runtime.config.events.webhook.path] = runtime.follower.receiver
        self._handlers = handlers

    def _follow(self, file: RulesFile | None) -> None:
        if file is not None:
            self._following = asyncio.create_task(self._follow_file(file))

    async def _follow_file(self, file: RulesFile) -> None:
        def seconds() -> float:
            return 0.0 if self._runtime is None else self._runtime.config.reload

        async for _ in file.changes(seconds):
            await self.reload()

    async def reload(self) -> bool:
        """Read the configuration's file anew, as happens by itself when it changes.

        A file that is wrong, or whose schemas cannot be used, changes nothing: the rules stay, and
        the log, a metric and ``/schemas/health`` say why.

        Returns:
            Whether the file is in force.
        """
        old, made = self._runtime, None
        if old is None:
            return False
        try:
            made = self._made(await asyncio.to_thread(self._read))
            await made.start()
            gate = self._gate_for(made)
            self._check_routes(made)
            self._install(made, gate)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rules before it stay
            known = isinstance(error, LLMIntegrationsError)
            self._reject(old, str(error) if known else type(error).__name__)
            return False
        finally:
            if made is not None and made is not self._runtime:
                await made.stop()
        await self._retire(old)
        RULES_RELOADS.labels(self.server.name, "loaded").inc()
        log.info("%s middleware: its rules were read anew", self.server.name)
        return True

    def _reject(self, old: Runtime, reason: str) -> None:
        path = file_of(self._config, self.server.config_variable)
        log.error("%s middleware: the rules stay as they were: %s", self.server.name, reason)
        old.rejected = {str(path or "configuration"): reason}
        RULES_RELOADS.labels(self.server.name, "rejected").inc()

    def _read(self) -> MiddlewareConfig:
        return load_config(self._config, variable=self.server.config_variable)

    async def _retire(self, old: Runtime) -> None:
        """Requests that began with it may still ask its registry: it closes with the next."""
        await asyncio.to_thread(old.follower.stop)
        waiting, self._retired = self._retired, [old]
        for runtime in waiting:
            await runtime.stop()

    async def stop(self) -> None:
        """Let go of everything, where no lifespan does. Idempotent."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.wait((following,))
        runtime, self._runtime = self._runtime, None
        retired, self._retired = self._retired, []
        self._handlers = {}
        for each in (*retired, *([runtime] if runtime is not None else [])):
            await each.stop()


def _path(scope: Scope) -> str:
    """The path below the root, as Starlette finds it."""
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    if not root or not (root := root.rstrip("/")):
        return path
    if path.startswith(root) and path[len(root) : len(root) + 1] == "/":
        return path[len(root) :]
    # Another spelling of the root is no way round a rule either.
    spelt, root = canonical(path), canonical(root)
    return spelt.removeprefix(root) if spelt.startswith(root + "/") else path


class _Everywhere(dict[str, _Handler]):
    """Refuses every request: nobody knows which ones the configuration was to judge."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._refuser = Refuser(app)

    def get(self, key: str, default: Any = None) -> Any:
        return self._refuse

    async def _refuse(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await self._refuser.refuse(scope, send, _MISCONFIGURED)
