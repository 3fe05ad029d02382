"""Four shapes of data that LLM systems judge, as JSON Schema, pydantic model and msgspec struct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field, create_model

__all__ = ["CASES", "CHAT", "OPEN_CHAT", "PROMPT", "ROW", "Case"]


@dataclass(frozen=True)
class Case:
    """Valid data, and one contract in three languages."""

    name: str
    schema: dict[str, Any]
    data: dict[str, Any]
    pydantic: type[BaseModel]
    msgspec: type[msgspec.Struct]

    @property
    def draft7(self) -> dict[str, Any]:
        """The same schema for fastjsonschema, which knows no later draft."""
        return {"$schema": "http://json-schema.org/draft-07/schema#", **self.schema}


def _object(required: list[str], *, closed: bool = True, **properties: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    return {**body, "additionalProperties": False} if closed else body


def _text(most: int, least: int = 0) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most}


class PromptModel(BaseModel):
    question: str = Field(min_length=1, max_length=4000)
    context: list[Annotated[str, Field(max_length=8000)]] = Field(max_length=20)
    language: Literal["en", "de", "fr", "es"]
    max_tokens: int = Field(256, ge=1, le=4096)
    temperature: float = Field(1.0, ge=0, le=2)


class PromptStruct(msgspec.Struct):
    question: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    context: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=8000)]], msgspec.Meta(max_length=20)
    ]
    language: Literal["en", "de", "fr", "es"]
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 256
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 1.0


PROMPT = Case(
    "prompt, 5 fields",
    _object(
        ["question", "context", "language"],
        closed=False,
        question=_text(4000, 1),
        context={"type": "array", "items": _text(8000), "maxItems": 20},
        language={"enum": ["en", "de", "fr", "es"]},
        max_tokens={"type": "integer", "minimum": 1, "maximum": 4096},
        temperature={"type": "number", "minimum": 0, "maximum": 2},
    ),
    {
        "question": "What is a schema registry, and why would I want one?",
        "context": ["A registry keeps schemas under names and versions. " * 4] * 3,
        "language": "en",
        "max_tokens": 256,
        "temperature": 0.7,
    },
    PromptModel,
    PromptStruct,
)


class FunctionModel(BaseModel, extra="forbid"):
    name: str = Field(pattern="^[a-zA-Z0-9_-]{1,64}$")
    arguments: str


class CallModel(BaseModel, extra="forbid"):
    id: str
    type: Literal["function"]
    function: FunctionModel


class SystemModel(BaseModel, extra="forbid"):
    role: Literal["system"]
    content: str


class UserModel(BaseModel, extra="forbid"):
    role: Literal["user"]
    content: str = Field(max_length=100_000)
    name: str | None = Field(None, max_length=64)


class AssistantModel(BaseModel, extra="forbid"):
    role: Literal["assistant"]
    content: str | None
    tool_calls: list[CallModel] | None = None


class ToolModel(BaseModel, extra="forbid"):
    role: Literal["tool"]
    content: str
    tool_call_id: str


MessageModel = Annotated[
    SystemModel | UserModel | AssistantModel | ToolModel, Field(discriminator="role")
]


class ChatModel(BaseModel, extra="forbid"):
    model: str
    messages: list[MessageModel] = Field(min_length=1)
    temperature: float = Field(1.0, ge=0, le=2)
    max_tokens: int = Field(256, ge=1)


class FunctionStruct(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    arguments: str


class CallStruct(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    type: Literal["function"]
    function: FunctionStruct


class SystemStruct(msgspec.Struct, forbid_unknown_fields=True, tag_field="role", tag="system"):
    content: str


class UserStruct(msgspec.Struct, forbid_unknown_fields=True, tag_field="role", tag="user"):
    content: Annotated[str, msgspec.Meta(max_length=100_000)]
    name: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class AssistantStruct(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="role", tag="assistant"
):
    content: str | None
    tool_calls: list[CallStruct] | None = None


class ToolStruct(msgspec.Struct, forbid_unknown_fields=True, tag_field="role", tag="tool"):
    content: str
    tool_call_id: str


class ChatStruct(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    messages: Annotated[
        list[SystemStruct | UserStruct | AssistantStruct | ToolStruct], msgspec.Meta(min_length=1)
    ]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 1.0
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 256


def _chat_schema(*, closed: bool) -> dict[str, Any]:
    """A chat request as OpenAI describes it: one of four kinds of message, by its role."""
    function = _object(
        ["name", "arguments"],
        closed=closed,
        name={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
        arguments={"type": "string"},
    )
    call = _object(
        ["id", "type", "function"],
        closed=closed,
        id={"type": "string"},
        type={"const": "function"},
        function=function,
    )
    calls = {"type": "array", "items": {"$ref": "#/$defs/call"}}
    text = {"type": "string"}
    fields: dict[str, tuple[list[str], dict[str, Any]]] = {
        "system": (["content"], {"content": text}),
        "user": (["content"], {"content": _text(100_000), "name": _text(64)}),
        "assistant": (["content"], {"content": {"type": ["string", "null"]}, "tool_calls": calls}),
        "tool": (["content", "tool_call_id"], {"content": text, "tool_call_id": text}),
    }
    kinds = {
        role: _object(["role", *required], closed=closed, role={"const": role}, **properties)
        for role, (required, properties) in fields.items()
    }
    one = {"oneOf": [{"$ref": f"#/$defs/{role}"} for role in kinds]}
    request = _object(
        ["model", "messages"],
        closed=closed,
        model={"type": "string"},
        messages={"type": "array", "minItems": 1, "items": one},
        temperature={"type": "number", "minimum": 0, "maximum": 2},
        max_tokens={"type": "integer", "minimum": 1},
    )
    return {**request, "$defs": {**kinds, "call": call}}


def _turn(number: int) -> list[dict[str, Any]]:
    function = {"name": "get_weather", "arguments": '{"city": "Vienna"}'}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    return [
        {"role": "user", "content": "What is the weather in Vienna, and what do I wear? " * 8},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": '{"degrees": 21}', "tool_call_id": call["id"]},
        {"role": "assistant", "content": "It is 21 degrees, so a shirt will do. " * 10},
    ]


_MESSAGES = [message for number in range(5) for message in _turn(number)]
_REQUEST = {"model": "small", "messages": _MESSAGES, "temperature": 0.5, "max_tokens": 512}
CHAT = Case("chat, 20 messages", _chat_schema(closed=True), _REQUEST, ChatModel, ChatStruct)
OPEN_CHAT = Case("chat, open objects", _chat_schema(closed=False), _REQUEST, ChatModel, ChatStruct)


class ChunkModel(BaseModel):
    doc_id: str = Field(pattern="^[a-z0-9-]+$")
    source: str
    title: str = Field(max_length=300)
    language: Literal["en", "de", "fr"]
    page: int = Field(ge=1)
    score: float = Field(ge=0, le=1)
    tags: list[str] = Field(max_length=20)
    created: str
    private: bool
    owner: str | None = None


class ChunkStruct(msgspec.Struct):
    doc_id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]+$")]
    source: str
    title: Annotated[str, msgspec.Meta(max_length=300)]
    language: Literal["en", "de", "fr"]
    page: Annotated[int, msgspec.Meta(ge=1)]
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    tags: Annotated[list[str], msgspec.Meta(max_length=20)]
    created: str
    private: bool
    owner: str | None = None


_CHUNK = {
    "doc_id": "annual-report-2025",
    "source": "https://example.com/reports/2025.pdf",
    "title": "Annual report 2025",
    "language": "en",
    "page": 17,
    "score": 0.83,
    "tags": ["finance", "public"],
    "created": "2026-01-02T03:04:05Z",
    "private": False,
    "owner": None,
}
RAG = Case(
    "RAG metadata, 10 fields",
    {
        **_object(
            [name for name in _CHUNK if name != "owner"],
            closed=False,
            doc_id={"type": "string", "pattern": "^[a-z0-9-]+$"},
            source={"type": "string"},
            title=_text(300),
            language={"enum": ["en", "de", "fr"]},
            page={"type": "integer", "minimum": 1},
            score={"type": "number", "minimum": 0, "maximum": 1},
            tags={"type": "array", "items": {"type": "string"}, "maxItems": 20},
            created={"type": "string"},
            private={"type": "boolean"},
            owner={"type": ["string", "null"]},
        ),
    },
    _CHUNK,
    ChunkModel,
    ChunkStruct,
)


_KINDS: tuple[tuple[dict[str, Any], Any, Any, Any], ...] = (
    (
        {"type": "number", "minimum": 0},
        Annotated[float, Field(ge=0)],
        Annotated[float, msgspec.Meta(ge=0)],
        1.5,
    ),
    (
        _text(50),
        Annotated[str, Field(max_length=50)],
        Annotated[str, msgspec.Meta(max_length=50)],
        "a short text",
    ),
    ({"type": "integer"}, int, int, 7),
)
_COLUMNS = {f"c{number}": _KINDS[number % 3] for number in range(50)}
_FIELDS: dict[str, Any] = {name: (kind[1], ...) for name, kind in _COLUMNS.items()}
ROW = Case(
    "row, 50 columns",
    _object(list(_COLUMNS), closed=False, **{name: kind[0] for name, kind in _COLUMNS.items()}),
    {name: kind[3] for name, kind in _COLUMNS.items()},
    create_model("RowModel", **_FIELDS),
    msgspec.defstruct("RowStruct", [(name, kind[2]) for name, kind in _COLUMNS.items()]),
)

CASES = (PROMPT, CHAT, RAG, ROW)
