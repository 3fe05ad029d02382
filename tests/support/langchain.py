"""Every way of running a chain, with what comes out or is raised."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["WAYS", "outcome"]

WAYS: Final = ("invoke", "ainvoke", "batch", "abatch", "stream", "astream", "astream_events")


async def outcome(chain: Any, data: Any, way: str, *handlers: Any) -> Any:
    """What a chain gives for one input: a value, a list of chunks, or the exception it raised."""
    using: Any = {"callbacks": list(handlers)}
    try:
        return await _run(chain, data, way, using)
    except Exception as error:  # noqa: BLE001 - whatever a chain raises is its outcome
        return error


async def _run(chain: Any, data: Any, way: str, using: Any) -> Any:
    match way:
        case "invoke":
            return chain.invoke(data, using)
        case "ainvoke":
            return await chain.ainvoke(data, using)
        case "batch":
            return chain.batch([data], using)[0]
        case "abatch":
            return (await chain.abatch([data], using))[0]
        case "stream":
            return list(chain.stream(data, using))
        case "astream":
            return [chunk async for chunk in chain.astream(data, using)]
    return [
        event["data"]["chunk"]
        async for event in chain.astream_events(data, using, version="v2")
        if event["event"] == "on_chain_stream" and not event["parent_ids"]
    ]
