"""LangChain: prompts and outputs held to their schemas.

``SchemaValidator("user-profile@2") | prompt | model`` is the shortest way in.
"""

from llm_integrations.core.extras import require_extra

require_extra("langchain", "langchain_core")

from llm_integrations.langchain.validator import SchemaValidator  # noqa: E402 - the check is first

__all__ = ["SchemaValidator"]
