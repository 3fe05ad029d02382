"""/v1/responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llm_integrations.serving.shapes.base import (
    Answer,
    Body,
    Collector,
    Parsed,
    Prompt,
    Shape,
    Tool,
    format_asked,
    openai_error,
    structured_asked,
)
from llm_integrations.serving.shapes.calls import arguments_of
from llm_integrations.serving.shapes.choices import begun_text, role_of
from llm_integrations.serving.shapes.failure import Failure
from llm_integrations.serving.shapes.jsontext import (
    as_dict,
    as_list,
    joined_text,
    read_fields,
    said_text,
)
from llm_integrations.serving.shapes.sse import Event
from llm_integrations.serving.shapes.unread import unread_texts

__all__ = ["CLIENT_RUNS", "Responses"]

_FINISHED: Final = ("completed", "incomplete", None)
_NO_ANSWER: Final = ("failed", "cancelled")
_FAILED: Final = ("error", "response.failed")
_LAST: Final = ("response.completed", "response.incomplete")
_BEGUN: Final = ("in_progress", "incomplete")
_CALLS: Final = ("function_call", "custom_tool_call")
_RUNS: Final = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call")
CLIENT_RUNS: Final = (*_CALLS, *_RUNS, "mcp_approval_request")
"""Items by which a model asks its client for something."""
_OF_MODELS: Final = ("rs_", "fc_", "ctc_", "ws_", "fs_", "cu_", "ci_", "ig_", "mcp_", "lsh_", "sh_")
_NAMES: Final = frozenset(name.encode() for name in (*_FAILED, *_LAST))


class Responses(Shape):
    name = "responses"
    tool = ("parameters",)
    defers = "background"

    def texts_in(self, request: Body) -> str:
        return "input"

    def prompts(self, request: Body) -> Iterator[Prompt]:
        if told := request.get("instructions"):
            yield Prompt(("instructions",), "system", said_text(told))
        if request.get("previous_input_messages"):
            yield Prompt(("previous_input_messages",), "user", None)
        given = request.get("input")
        if isinstance(given, str):
            yield Prompt(("input",), "user", given)
        for index, item in enumerate(as_list(given)):
            yield from _item_prompts(("input", index), item)
        if as_dict(request.get("prompt")).get("variables"):  # put into a text that the server has
            yield Prompt(("prompt", "variables"), "user", None)
        yield from unread_texts(request)

    def goes_on(self, request: Body) -> bool:
        return bool(request.get("previous_response_id") or request.get("conversation"))

    def with_message(self, request: Body, text: str) -> Mapping[str, Any] | None:
        given = request.get("input")
        first = [{"role": "user", "content": given}] if isinstance(given, str) else as_list(given)
        return {"input": [*first, {"role": "user", "content": text}]}

    def prefills(self, request: Body) -> Sequence[str]:
        last = as_dict((as_list(request.get("input")) or [None])[-1])
        is_begun = last.get("role") == "assistant" and last.get("status") in _BEGUN
        return (begun_text(last),) if is_begun else ()

    def asked(self, request: Body) -> Tool | None:
        return format_asked(request, "text", "format") or structured_asked(request)

    def repeats_request(self, reply: Body) -> bool:
        return bool(as_dict(as_dict(reply.get("text")).get("format")))

    def answers(self, reply: Any) -> Sequence[Answer]:
        # A response that runs in the background has no answer yet. Some servers give no status.
        status = reply.get("status") if isinstance(reply, dict) else ""
        if status in _NO_ANSWER:
            return [Answer(0, None, declined=True)]
        if status not in _FINISHED:
            return ()
        if not isinstance(reply.get("output"), list):
            return ()
        texts: list[str] = []
        refused = False
        calls: list[tuple[str, str | Parsed]] = []
        for item in as_list(reply.get("output")):
            item = as_dict(item)
            if item.get("type", "message") == "message":
                texts.append(joined_text(item.get("content")) or "")
                parts = map(as_dict, as_list(item.get("content")))
                refused = refused or any(part.get("type") == "refusal" for part in parts)
            elif item.get("type") in _CALLS:
                given = item.get("arguments", item.get("input"))
                calls.append((str(item.get("name")), arguments_of(given)))
        reason = as_dict(reply.get("incomplete_details")).get("reason")
        text = "".join(texts) or None
        declined = reason == "content_filter" or (refused and text is None)
        runs = _asks_to_run(reply["output"])
        return [Answer(0, text, tuple(calls), reason == "max_output_tokens", declined, runs)]

    def like_a_reply(self, data: Any) -> Any:
        return data.get("response") if as_dict(data).get("type") in _LAST else None

    def collector(self, *, texts: bool = True) -> Collector:
        return _LastEvent(self)

    def stream_error(self, failure: Failure) -> bytes:
        fields = {
            "type": "error",
            "code": failure.kind,
            "message": failure.message,
            "param": failure.param,
            "sequence_number": 0,
            **openai_error(failure),
        }
        return b"event: error\ndata: %b\n\n" % json.dumps(fields).encode()


def _item_prompts(place: tuple[str | int, ...], item: Any) -> Iterator[Prompt]:
    fields = as_dict(item)
    kind = str(fields.get("type", "message"))
    if "role" in fields or kind == "message":
        text = said_text(fields.get("content", item if isinstance(item, str) else None))
        yield Prompt((*place, "content"), role_of(fields), text)
    elif kind.endswith("_call_output"):
        yield Prompt((*place, "output"), "tool", said_text(fields.get("output")))
    elif kind.endswith("text") or (kind == "item_reference" and not _is_models(fields.get("id"))):
        yield Prompt(place, "user", None)


def _is_models(identity: Any) -> bool:
    """Whether a stored item is one that only a model writes, by the beginning of its id."""
    return str(identity).startswith(_OF_MODELS)


def _asks_to_run(output: Sequence[Any]) -> bool:
    """Whether an item asks the client to run what the server has not run itself."""
    items = [as_dict(item) for item in output]
    asked = [(i.get("type"), i.get("call_id")) for i in items if i.get("type") in CLIENT_RUNS]
    done = {(i.get("type"), i.get("call_id")) for i in items}
    return any(k not in _CALLS and (f"{k}_output", called) not in done for k, called in asked)


class _LastEvent(Collector):
    """The last event repeats the whole response, so that no other has to be read."""

    def __init__(self, shape: Responses) -> None:
        self._shape = shape

    def take(self, event: Event) -> Sequence[Answer]:
        if event.name and event.name not in _NAMES:
            return ()
        fields = read_fields(event.data)
        kind = fields.get("type") or event.name.decode()  # some servers give no names
        self.failed = self.failed or kind in _FAILED
        if kind not in _LAST:
            return ()
        self.ended = True
        return self._shape.answers(fields.get("response"))
