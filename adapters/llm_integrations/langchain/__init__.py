"""LangChain: prompts, outputs, tools and documents held to their schemas.

``SchemaValidator("user-profile@2") | prompt | model`` is the shortest way in;
``SchemaCallbackHandler`` is for chains that exist; ``SchemaMiddleware`` for agents.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.extras import require_extra

require_extra("langchain", "langchain_core", if_installed=("langchain",))

from llm_integrations.langchain.bind import bind_schema  # noqa: E402 - the check is first
from llm_integrations.langchain.handler import SchemaCallbackHandler  # noqa: E402
from llm_integrations.langchain.validator import SchemaValidator  # noqa: E402

if TYPE_CHECKING:
    from llm_integrations.langchain.asking_again.reask import reask
    from llm_integrations.langchain.asking_again.structured import structured
    from llm_integrations.langchain.border import validated, worth_retrying
    from llm_integrations.langchain.checkpoints import checkpointer
    from llm_integrations.langchain.drift.report import ToolDriftReport
    from llm_integrations.langchain.drift.tool_drift import ToolDrift, tool_drift
    from llm_integrations.langchain.integration import (
        AffectedPrompt,
        PromptManagementIntegration,
    )
    from llm_integrations.langchain.middleware import SchemaMiddleware
    from llm_integrations.langchain.referenced import args_schema, response_format
    from llm_integrations.langchain.report import ChainReport

__all__ = [
    "AffectedPrompt",
    "ChainReport",
    "PromptManagementIntegration",
    "SchemaCallbackHandler",
    "SchemaMiddleware",
    "SchemaValidator",
    "ToolDrift",
    "ToolDriftReport",
    "args_schema",
    "bind_schema",
    "checkpointer",
    "reask",
    "response_format",
    "structured",
    "tool_drift",
    "validated",
    "worth_retrying",
]

# A chain that only validates needs neither agents (langgraph) nor the comparison of schemas.
_ON_DEMAND: Final = {
    "AffectedPrompt": "integration",
    "ChainReport": "report",
    "PromptManagementIntegration": "integration",
    "SchemaMiddleware": "middleware",
    "ToolDrift": "drift.tool_drift",
    "ToolDriftReport": "drift.report",
    "args_schema": "referenced",
    "checkpointer": "checkpoints",
    "reask": "asking_again.reask",
    "response_format": "referenced",
    "structured": "asking_again.structured",
    "tool_drift": "drift.tool_drift",
    "validated": "border",
    "worth_retrying": "border",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ON_DEMAND[name]}"), name)
