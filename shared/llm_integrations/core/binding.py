"""Metadata keys that name a schema; set them on a prompt, a model, a tool, a retriever, a chain.

They bind a part of an application to its schema, on any mapping; ``core.stamp`` says by what data
was judged.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ASKED", "BOUND", "DOCUMENT", "INPUT", "OUTPUT", "OWNER", "PARTIALS", "TOOL"]

ASKED: Final = "schema_asked"
"""By which schema an answer is judged by who asks for it, and asks again: by no handler as well."""
INPUT: Final = "schema"
"""What goes into prompts."""
BOUND: Final = "schema_bound"
"""That a prompt names its schema itself, and has it not from the graph around it."""
OUTPUT: Final = "schema_output"
"""What comes out of models."""
TOOL: Final = "schema_tool"
"""The arguments of a tool."""
DOCUMENT: Final = "schema_document"
"""The metadata of retrieved documents."""
OWNER: Final = "schema_owner"
PARTIALS: Final = "schema_partials"
"""Values that ``prompt.partial`` filled in: a part of the input that callbacks do not see."""
