"""What schemas add to a LangChain call, beside the bare chain in the same run."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from benchmarks.harness import Row, Section
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import (
    SchemaCallbackHandler,
    SchemaValidator,
    bind_schema,
    reask,
)

PROFILE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
        "email": {"type": "string", "format": "email"},
        "plan": {"enum": ["free", "pro"]},
        "interests": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age"],
}
INPUT = {
    "name": "Ada",
    "age": 36,
    "email": "ada@example.org",
    "plan": "pro",
    "interests": ["maths", "engines"],
}


def _microseconds(calls: dict[str, Callable[[], Any]], rounds: int = 40) -> dict[str, float]:
    """Median µs per call, the candidates taken in turns so that noise meets them alike."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(20):
                call()
            samples[name].append((time.perf_counter() - started) / 20 * 1e6)
    return {name: statistics.median(times) for name, times in samples.items()}


def run() -> list[Section]:
    with connect("memory://") as registry:
        registry.register("user-profile", PROFILE)
        return [_sync(registry), _asking(registry), asyncio.run(_async(registry))]


def _chains(registry: Registry) -> tuple[Any, Any, Any]:
    prompt = ChatPromptTemplate.from_template("Greet {name}, aged {age}.")
    model = FakeListChatModel(responses=["Hello!"])
    bound = bind_schema(prompt, "user-profile@1")
    return (
        prompt | model,
        SchemaValidator("user-profile@1", registry) | prompt | model,
        bound | model,
    )


class _Step(Runnable[Any, Any]):
    """Does nothing: what LangChain itself takes for one step more."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002 - its name
        return input


def _sync(registry: Registry) -> Section:
    bare, validated, bound = _chains(registry)
    stepped = _Step() | bare
    noop = {"callbacks": [BaseCallbackHandler()]}
    handled = {"callbacks": [SchemaCallbackHandler(registry)]}
    took = _microseconds(
        {
            "bare": lambda: bare.invoke(INPUT),
            "validator": lambda: validated.invoke(INPUT),
            "step": lambda: stepped.invoke(INPUT),
            "noop": lambda: bound.invoke(INPUT, noop),
            "handler": lambda: bound.invoke(INPUT, handled),
        }
    )
    section = Section(
        "LangChain, sync invoke",
        "prompt | fake model; a schema of 5 fields; medians of rounds taken in turns.",
    )
    added = took["validator"] - took["bare"]
    section.add(_row("`validator \\| prompt` adds", took["validator"], took["bare"], added, 50))
    added = took["validator"] - took["step"]
    section.add(
        _row("of that, over a step that does nothing", took["validator"], took["step"], added, 50)
    )
    added = took["handler"] - took["noop"]
    section.add(_row("the handler over a no-op handler", took["handler"], took["noop"], added, 20))
    return section


def _asking(registry: Registry) -> Section:
    """An answer that is valid at once: what being ready to ask again costs."""
    model = FakeListChatModel(responses=[json.dumps(INPUT)])
    validated = model | SchemaValidator("user-profile@1", registry, side="output")
    asked = reask(model, "user-profile@1", registry=registry)
    took = _microseconds(
        {
            "validator": lambda: validated.invoke("Who?"),
            "reask": lambda: asked.invoke("Who?"),
        }
    )
    section = Section("LangChain, asking again", "A fake model whose first answer is valid.")
    added = took["reask"] - took["validator"]
    what = "`reask(model)` over `model \\| validator`"
    section.add(_row(what, took["reask"], took["validator"], added, 0))
    return section


async def _async(registry: Registry) -> Section:
    _, _, bound = _chains(registry)
    inline = BaseCallbackHandler()
    inline.run_inline = True
    handler = SchemaCallbackHandler(registry)
    await handler.prepare(bound)
    threaded = BaseCallbackHandler()
    took: dict[str, list[float]] = {"inline": [], "ours": [], "threaded": []}
    for _ in range(60):
        for name, using in (("inline", inline), ("ours", handler), ("threaded", threaded)):
            started = time.perf_counter()
            for _ in range(10):
                # A task of its own for each call, as a server has.
                await asyncio.create_task(bound.ainvoke(INPUT, {"callbacks": [using]}))
            took[name].append((time.perf_counter() - started) / 10 * 1e6)
    medians = {name: statistics.median(times) for name, times in took.items()}
    section = Section(
        "LangChain, async invoke",
        "The prepared handler runs inline; beside a no-op that does, and one that hops to threads.",
    )
    added = medians["ours"] - medians["inline"]
    section.add(_row("over an inline no-op", medians["ours"], medians["inline"], added, 150))
    section.add(
        Row(
            "over a no-op that hops to a thread for each event",
            f"{medians['ours']:.0f} µs",
            f"{medians['threaded']:.0f} µs",
            f"{medians['ours'] / medians['threaded']:.2f}×",
            "below 1×",
            medians["ours"] < medians["threaded"],
        )
    )
    return section


def _row(what: str, ours: float, peer: float, added: float, most: float) -> Row:
    return Row(
        what, f"{ours:.0f} µs", f"{peer:.0f} µs", f"+{added:.0f} µs", f"≤ {most} µs", added <= most
    )
