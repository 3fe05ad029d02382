"""The schemas that clients bring themselves, in ``response_format`` and in their tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from cachetools import LRUCache

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.judge import Judge
from llm_integrations.core.validation.strangers import (
    MOST_CHARACTERS,
    StrangersSchema,
    compile_strangers,
)
from llm_integrations.serving.rules.pointer import param_of
from llm_integrations.serving.rules.resolve import pass_unjudged, raises
from llm_integrations.serving.shapes import Shape
from llm_integrations.serving.shapes.base import Body
from llm_integrations.serving.shapes.failure import Refused, bad_request

__all__ = ["CLIENT", "ClientSchemas"]

CLIENT: Final = "client"
"""In the place of a reference: the schema that the request holds. Reports call it so too."""

_MOST_MEMORY: Final = 256 * 2**20


class ClientSchemas:
    """Compiles what clients send, one schema at a time, and keeps what was asked for lately.

    Strangers' schemas stop nobody: how large they may be, what is judged by them and what is kept
    of them is bounded, and no registry, network or file is asked for what they refer to.

    Args:
        options: how to judge.
    """

    def __init__(self, options: ValidationOptions) -> None:
        self._options = options
        self._kept: LRUCache[str, StrangersSchema] = LRUCache(_MOST_MEMORY, attrgetter("memory"))
        # A thread of its own: a flood of new schemas keeps no other work waiting.
        self._thread = ThreadPoolExecutor(1, "llm-integrations-client-schemas")

    async def of(
        self, judge: Judge, shape: Shape, request: Body, ruled: Collection[str]
    ) -> dict[str, StrangersSchema]:
        """The schemas of the tools by their names, and by "" the one that the text is to have.

        Args:
            judge: its mode says what becomes of a schema that cannot be used: 400, or what should
                be judged by it is counted as unjudged.
            ruled: tools that the rule names schemas for.

        Raises:
            Refused: 400.
        """
        left = MOST_CHARACTERS
        asked = shape.asked(request)
        wanted = [] if asked is None else [asked]
        tools = chain(shape.functions(request), shape.tools(request))
        wanted += (tool for tool in tools if tool.name not in ruled)
        found: dict[str, StrangersSchema] = {}
        for path, name, body in wanted:
            if body is None:
                continue
            try:
                text = _text(body)
                left -= len(text)
                if left < 0:
                    raise InvalidSchema(f"more than {MOST_CHARACTERS} characters of schemas")
                made = await self._compiled(text)
            except InvalidSchema as error:
                _cannot_be_used(judge, param_of(path), error)
                continue
            found[name] = made
        return found

    async def _compiled(self, text: str) -> StrangersSchema:
        made = self._kept.get(text)
        if made is None:
            loop, task = asyncio.get_running_loop(), partial(compile_strangers, text, CLIENT)
            made = await loop.run_in_executor(self._thread, task, self._options)
            self._kept[text] = made
        return made


def _text(body: Any) -> str:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        raise InvalidSchema("it is no JSON") from None


def _cannot_be_used(judge: Judge, param: str, error: InvalidSchema) -> None:
    if raises(judge):
        raise Refused(bad_request(f"{param}: {error}", param)) from None
    pass_unjudged(judge, "its client's schema cannot be used")
