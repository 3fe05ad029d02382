"""An MCP server over stdio whose tools change when it is told to."""

from __future__ import annotations

from typing import Any

import anyio
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.types import TextContent, Tool

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DEGREES = {"type": "object", "properties": {"degrees": {"type": "number"}}, "required": ["degrees"]}
UNITS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "units": {"enum": ["C", "F"]}},
    "required": ["city", "units"],
}

arguments: dict[str, Any] = {"schema": CITY}


async def serve() -> None:
    server: Any = Server("weather")

    @server.list_tools()  # type: ignore[untyped-decorator] # the SDK's are
    async def tools() -> list[Tool]:
        return [
            Tool(
                name="forecast",
                description="The weather.",
                inputSchema=arguments["schema"],
                outputSchema=DEGREES,
            ),
            Tool(name="change", description="Changes the tools.", inputSchema={"type": "object"}),
        ]

    @server.call_tool()  # type: ignore[untyped-decorator] # the SDK's are
    async def call(name: str, given: dict[str, Any]) -> Any:
        if name == "forecast":
            return {"degrees": 21}
        arguments["schema"] = CITY if given.get("back") else UNITS
        await server.request_context.session.send_tool_list_changed()
        return [TextContent(type="text", text="changed")]

    options = server.create_initialization_options(NotificationOptions(tools_changed=True))
    async with stdio_server() as (read, write):
        await server.run(read, write, options)


if __name__ == "__main__":
    anyio.run(serve)
