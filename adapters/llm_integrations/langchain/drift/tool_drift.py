"""An agent's tools compared with the registry: at its start, and whenever a server changes them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal, TypeAlias

from langchain_core.runnables import Runnable

from llm_integrations.core.config import (
    Mode,
    OnUnavailable,
    ValidationOptions,
    check_name,
)
from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    LLMIntegrationsError,
)
from llm_integrations.core.evolution.model.levels import check_policy, normal_level
from llm_integrations.core.impact import with_references
from llm_integrations.core.judge import Judge
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.langchain.drift.comparing import compared
from llm_integrations.langchain.drift.offered import Offered, offers_of
from llm_integrations.langchain.drift.report import Side, ToolDriftReport, ToolLine
from llm_integrations.langchain.patience import NO_SCHEMA_NOW

__all__ = ["ToolDrift", "references_of", "tool_drift"]

log = get_logger(__name__)

_CHANGED: Final = "notifications/tools/list_changed"
_MOST_PAGES: Final = 1000
References: TypeAlias = Mapping[str, str | SchemaRef]
Tools: TypeAlias = Iterable[Any] | Runnable[Any, Any]


def tool_drift(
    tools: Tools,
    schemas: References | None = None,
    *,
    results: References | None = None,
    registry: Registry | str | None = None,
    mode: Mode = "enforce",
    level: str | None = None,
    policy: Literal["strict", "lenient"] = "lenient",
    on_unavailable: OnUnavailable | None = None,
    options: ValidationOptions | None = None,
) -> ToolDriftReport:
    """Compare tools with the registry: ``tool_drift(tools, {"search": "search-args@1"})``.

    The arguments that the registry's schema allows must be allowed by the tool (BACKWARD), the
    results that the tool can give by the registry's schema (FORWARD). ``ToolDrift`` does the same
    from coroutines, and goes on doing it.

    Args:
        tools: as ``create_agent`` takes them (MCP's from ``load_mcp_tools`` among them), or MCP's
            own from ``session.list_tools()``, which alone state schemas of results; or an agent.
        schemas: of arguments, by the name of the tool; None takes ``schema_tool`` of their
            metadata.
        results: schemas of results, by the name of the tool.
        registry: a Registry, a URL, or None for the environment's.
        mode: ``enforce`` raises, ``warn`` logs, ``off`` compares nothing.
        level: for both sides, as FULL; None for the ones above.
        policy: "strict", or "lenient": properties that nobody declares do not count.
        on_unavailable: "raise" or "pass" when the registry cannot be asked.
        options: how data is judged; None for the defaults.

    Raises:
        IncompatibleSchema: a tool drifted, under enforce; ``report`` has the witnesses.
        RegistryError: there is no such schema.
        ConfigurationError: an argument is wrong, or no schema is named.
    """
    drift = ToolDrift(
        schemas,
        results=results,
        registry=registry,
        mode=mode,
        level=level,
        policy=policy,
        on_unavailable=on_unavailable,
        options=options,
    )
    return drift.check(tools)


class ToolDrift:
    """Holds the tools of one agent, or of one MCP server, to what the registry says of them.

    ``await drift.acheck(tools)`` compares now. Over an MCP session it compares at the start and on
    each ``tools/list_changed``: give ``drift.message_handler`` to the session and enter
    ``async with drift.follow(session)``. Given to ``SchemaMiddleware(drift=…)`` it keeps an agent
    from going on, under enforce, once a tool has drifted.

    Args:
        schemas, results, registry, mode, level, policy, on_unavailable, options: as ``tool_drift``.
        on_drift: called with each report that shows drift; a function or a coroutine function.
        timeout: seconds that a server may take to list its tools.
    """

    def __init__(
        self,
        schemas: References | None = None,
        *,
        results: References | None = None,
        registry: Registry | str | None = None,
        mode: Mode = "enforce",
        level: str | None = None,
        policy: Literal["strict", "lenient"] = "lenient",
        on_unavailable: OnUnavailable | None = None,
        options: ValidationOptions | None = None,
        on_drift: Callable[[ToolDriftReport], Any] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._judge = Judge(
            resolve_registry(registry), "langchain", "tool", mode, on_unavailable, options
        )
        self._named = None if schemas is None else references_of(schemas)
        self._results = references_of(results or {})
        if self._named == {} and not self._results:
            raise ConfigurationError("no schema is named, so nothing would be compared")
        self._level = None if level is None else normal_level(level)
        self._policy = check_policy(policy)
        if on_drift is not None and not callable(on_drift):
            raise ConfigurationError("on_drift must be callable")
        self._on_drift = on_drift
        self._timeout = timeout
        self._changed: dict[Any, asyncio.Event] = {}
        self._failure: Exception | None = None
        self.report: ToolDriftReport | None = None
        """What the last comparison found; None before the first."""

    @property
    def is_following(self) -> bool:
        """Whether it hears of changes from a session."""
        return bool(self._changed)

    # -- once ----------

    def check(self, tools: Tools) -> ToolDriftReport:
        """``acheck`` for code without an event loop."""
        if self._judge.mode == "off":
            return ToolDriftReport(())
        return self._settle(self._judge.registry.run(self._report(offers_of(tools))))

    async def acheck(self, tools: Tools) -> ToolDriftReport:
        """Compare now, and do what the mode says.

        Raises:
            IncompatibleSchema: a tool drifted, under enforce.
            RegistryError: there is no such schema.
            ConfigurationError: no schema is named for any of the tools.
        """
        if self._judge.mode == "off":
            return ToolDriftReport(())
        return self._settle(await self._report(offers_of(tools)))

    def raise_if_drifted(self) -> None:
        """Under enforce, IncompatibleSchema if the last comparison found drift, or failed."""
        if self._judge.mode != "enforce":
            return
        if self._failure is not None:
            raise IncompatibleSchema(
                f"the tools have changed, and could not be compared: {self._failure}"
            ) from self._failure
        if self.report is not None:
            self.report.raise_if_incompatible()

    async def _report(self, offers: Mapping[str, Offered]) -> ToolDriftReport:
        named = self._arguments_of(offers)
        wanted: list[tuple[str, Side, SchemaRef]] = [
            *((tool, "arguments", ref) for tool, ref in named.items()),
            *((tool, "results", ref) for tool, ref in self._results.items()),
        ]
        lines = [await self._line(offers.get(tool), tool, side, ref) for tool, side, ref in wanted]
        known = named.keys() | self._results.keys()
        return ToolDriftReport(tuple(lines), tuple(name for name in offers if name not in known))

    def _arguments_of(self, offers: Mapping[str, Offered]) -> Mapping[str, SchemaRef]:
        if self._named is not None:
            return self._named
        named = references_of({name: o.bound for name, o in offers.items() if o.bound is not None})
        if not named and not self._results:
            raise ConfigurationError(
                "no schema is named for any of the tools: give {'tool': 'reference'}, or "
                "metadata={'schema_tool': 'reference'} to the tools"
            )
        return named

    async def _line(
        self, offer: Offered | None, tool: str, side: Side, reference: SchemaRef
    ) -> ToolLine:
        registry = self._judge.registry
        try:
            agreed = await with_references(registry, await registry.aio.get(reference))
        except NO_SCHEMA_NOW as error:
            self._judge.pass_unjudged(reference, error)
            return ToolLine(tool, side, str(reference), "unjudged")
        if offer is None:
            return ToolLine(tool, side, agreed.name, "missing")
        stated = offer.arguments if side == "arguments" else offer.results
        if stated is None:
            return ToolLine(tool, side, agreed.name, "unstated")
        return await asyncio.to_thread(
            compared,
            tool,
            side,
            agreed,
            stated,
            level=self._level,
            policy=self._policy,
            options=self._judge.options,
        )

    def _settle(self, report: ToolDriftReport) -> ToolDriftReport:
        self.report, self._failure = report, None
        if report.unnamed:
            log.info("langchain no schema is named for the tools %s", ", ".join(report.unnamed))
        if self._judge.mode == "enforce":
            report.raise_if_incompatible()
        for line in report.drifted:
            log.warning(
                "langchain %s", line, extra={"llmi_tool": line.tool, "llmi_schema": line.schema}
            )
        return report

    # -- over an MCP session ----------

    async def message_handler(self, message: Any) -> None:
        """For MCP sessions: ``session_kwargs={"message_handler": drift.message_handler}``."""
        if getattr(getattr(message, "root", message), "method", None) != _CHANGED:
            return
        if not self._changed:
            log.warning("tools have changed, and no session is followed: enter drift.follow(…)")
        for changed in self._changed.values():
            changed.set()

    @asynccontextmanager
    async def follow(self, session: Any) -> AsyncIterator[ToolDriftReport]:
        """Compare an MCP session's tools now, and again whenever the server says they changed.

        Raises:
            IncompatibleSchema: a tool has drifted at the start, under enforce. Later drift is kept
                in ``report``, logged and told to ``on_drift``; ``raise_if_drifted`` raises it.
        """
        handler = getattr(session, "_message_handler", None)
        if handler is not None and handler != self.message_handler:
            log.warning(
                "the session has another message handler: unless that calls "
                "drift.message_handler, changes of its tools will not be heard of"
            )
        changed = self._changed[session] = asyncio.Event()
        try:
            report = await self.acheck(await self._listed(session))
            following = asyncio.create_task(self._following(session, changed))
            try:
                yield report
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following
        finally:
            del self._changed[session]

    async def _following(self, session: Any, changed: asyncio.Event) -> None:
        # A handler of messages must not ask its own session: it would wait for itself.
        while True:
            await changed.wait()
            changed.clear()
            try:
                await self.acheck(await self._listed(session))
            except IncompatibleSchema as error:
                log.error("langchain %s", error)
            except Exception as error:  # noqa: BLE001 - whatever a server does, it is heard again
                self._failure = error
                told = error if isinstance(error, LLMIntegrationsError) else type(error).__name__
                log.error("langchain tools have changed, and could not be compared: %s", told)
            await self._tell()

    async def _tell(self) -> None:
        if self._on_drift is None or self.report is None or self.report:
            return
        try:
            found = self._on_drift(self.report)
            if inspect.isawaitable(found):
                await found
        except Exception:
            log.exception("on_drift failed")

    async def _listed(self, session: Any) -> list[Any]:
        tools: list[Any] = []
        cursor = None
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(_MOST_PAGES):
                    page = await session.list_tools(*([cursor] if cursor else []))
                    tools += page.tools
                    cursor = page.nextCursor
                    if not cursor:
                        return tools
        except TimeoutError:
            raise LLMIntegrationsError(
                f"the server did not list its tools within {self._timeout:g} s"
            ) from None
        raise LLMIntegrationsError(f"the server lists its tools on more than {_MOST_PAGES} pages")


def references_of(named: References) -> dict[str, SchemaRef]:
    for tool in named:
        check_name("a tool's name", tool)
    return {tool: SchemaRef.parse(reference) for tool, reference in named.items()}
