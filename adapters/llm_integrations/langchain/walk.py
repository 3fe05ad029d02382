"""Finding the prompts, validators, models, tools and nodes of a chain, a graph or an agent, and
every schema that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

from langchain_core.language_models import BaseLanguageModel
from langchain_core.prompts import BasePromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from llm_integrations.core.binding import DOCUMENT, INPUT, OUTPUT, OWNER, TOOL

__all__ = [
    "FoundPrompt",
    "Guard",
    "Role",
    "Use",
    "has_tools",
    "prompts_in",
    "references_in",
    "tools_in",
    "uses_in",
]

Role: TypeAlias = Literal["input", "output"]

_REFERENCES: Final = (INPUT, OUTPUT, TOOL, DOCUMENT)
# Where LangChain's and LangGraph's own runnables keep the ones that they run.
_CHILDREN: Final = (
    *("steps", "steps__", "bound", "runnable", "fallbacks", "mapper", "runnables", "default"),
    *("branches", "alternatives", "tools", "tools_by_name", "node", "model", "args_schema"),
)
# Kinds of LangChain's and LangGraph's that are no Runnables: strategies and tasks.
_OTHERS: Final = frozenset({"langchain.agents.structured_output", "langgraph.func"})
_FUNCTIONS: Final = ("func", "afunc", "_transform", "_atransform")


@runtime_checkable
class Guard(Protocol):
    """What judges by schemas of its own: a validator, a middleware, a model that is asked again."""

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        """What of it, whether it goes into the model's side or comes out, and by which schema."""
        ...


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """A prompt of a chain, with the metadata that is in force for it."""

    name: str
    prompt: BasePromptTemplate[Any] = field(repr=False)
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """That a part of a chain uses a schema.

    Attributes:
        part: its name, unique in the chain together with the role.
        role: input for what goes into a prompt, a model or a node, output for what comes out.
        schema: the reference as it is written.
        owner: who is told of changes; None for the schema's owner.
    """

    part: str
    role: Role
    schema: str
    owner: str | None = None


def prompts_in(chain: Any) -> list[FoundPrompt]:
    """The prompts of a chain, in order; each has a name that is unique there."""
    found: list[FoundPrompt] = []
    for node, metadata, _ in _walk(chain):
        if isinstance(node, BasePromptTemplate):
            name = getattr(node, "name", None) or f"prompt-{len(found) + 1}"
            if any(other.name == name for other in found):
                name = f"{name}-{len(found) + 1}"
            found.append(FoundPrompt(name, node, {**metadata, **(node.metadata or {})}))
    return found


def uses_in(chain: Any) -> list[Use]:
    """Every use of a schema in a chain: prompts first, then what else judges, in order."""
    found: list[Use] = []
    for prompt in prompts_in(chain):
        found += _uses_of(prompt.name, prompt.metadata, ((INPUT, "input"), (OUTPUT, "output")))
    numbers: dict[str, int] = {}
    for node, metadata, place in _walk(chain):
        own = {**metadata, **(_metadata_of(node) or {})}
        if isinstance(node, Guard) and not isinstance(node, type):
            kind = type(node).__name__.lstrip("_")
            numbers[kind] = numbers.get(kind, 0) + 1
            name = f"{kind}-{numbers[kind]}"
            found += [
                Use(f"{name} {what}".rstrip(), role, reference)
                for what, role, reference in node.schema_uses()
            ]
        elif isinstance(node, BaseTool):
            found += _uses_of(node.name, own, ((TOOL, "input"),))
        elif isinstance(node, BaseRetriever):
            found += _uses_of(node.get_name(), own, ((DOCUMENT, "input"),))
        elif isinstance(node, BaseLanguageModel) and not _from_prompt(own, found):
            found += _uses_of(node.get_name(), own, ((OUTPUT, "output"),))
        elif place:
            found += _uses_of(place, own, ((INPUT, "input"), (OUTPUT, "output")))
    return list(dict.fromkeys(found))


def tools_in(chain: Any) -> list[BaseTool]:
    """The tools of a chain, a graph or an agent."""
    return [node for node, _, _ in _walk(chain) if isinstance(node, BaseTool)]


def has_tools(chain: Any) -> bool:
    """Whether a model in it calls ordinary tools, and not only one that is its answer."""
    return any(
        "tools" in kwargs and "ls_structured_output_format" not in kwargs
        for kwargs in (_attribute(node, "kwargs") for node, _, _ in _walk(chain))
        if isinstance(kwargs, Mapping)
    )


def references_in(chain: Any) -> set[str]:
    """Every schema that the metadata and validators of a chain name."""
    named: set[str] = set()
    for node, metadata, _ in _walk(chain):
        own = {**metadata, **(_metadata_of(node) or {})}
        named |= {own[key] for key in _REFERENCES if isinstance(own.get(key), str)}
        if isinstance(node, Guard) and not isinstance(node, type):
            named |= {reference for _, _, reference in node.schema_uses()}
    return named


def _uses_of(
    part: str, metadata: Mapping[str, Any], keys: tuple[tuple[str, Role], ...]
) -> Iterator[Use]:
    for key, role in keys:
        reference = metadata.get(key)
        if reference:
            yield Use(part, role, str(reference), metadata.get(OWNER))


def _from_prompt(metadata: Mapping[str, Any], found: list[Use]) -> bool:
    """Whether a model's answer is in the list as that of the prompts that it answers."""
    return any(use.role == "output" and use.schema == metadata.get(OUTPUT) for use in found)


def _metadata_of(node: Any) -> Mapping[str, Any] | None:
    found = getattr(node, "metadata", None)
    return found if isinstance(found, Mapping) else None


def _walk(chain: Any) -> Iterator[tuple[Any, Mapping[str, Any], str]]:
    """Every part with the metadata that reaches it from around it, and its name as a node."""
    waiting: list[tuple[Any, Mapping[str, Any], str]] = [(chain, {}, "")]
    seen: dict[tuple[int, str], Any] = {}
    while waiting:
        node, metadata, place = waiting.pop()
        mark = (id(node), repr(sorted(metadata.items(), key=str)))
        if mark in seen:
            continue
        seen[mark] = node  # kept, or another one could have its id
        yield node, metadata, place
        config = getattr(node, "config", None)
        inner = config.get("metadata") if isinstance(config, Mapping) else None
        around = {**metadata, **inner} if isinstance(inner, Mapping) else metadata
        parts = [(child, around, "") for child in _children(node)]
        waiting += reversed([*parts, *_nodes(node, around)])


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, MethodType):
        yield from _parts([node.__self__, *_vars_of(node.__self__), node.__func__])
    elif isinstance(node, FunctionType):
        yield from _parts(_captured(node))
    elif isinstance(node, partial):
        yield from _parts([_function(node.func), *node.args, node.keywords])
    else:
        if type(node).__module__ in _OTHERS:
            yield from _parts(_attribute(node, "schema"))
        elif isinstance(node, Runnable):
            yield from _parts(_vars_of(node))
        for name in _CHILDREN:
            yield from _parts(_attribute(node, name))
        for name in _FUNCTIONS:
            yield from _parts(_function(_attribute(node, name)))


def _function(thing: Any) -> Any:
    """What is called, where an object of the user's is a function: its method."""
    known = isinstance(thing, Runnable | Guard | FunctionType | MethodType | partial | type)
    return getattr(thing, "__call__", None) if thing is not None and not known else thing  # noqa: B004 - the method itself is meant


def _attribute(node: Any, name: str) -> Any:
    try:
        return getattr(node, name, None)
    except Exception:  # noqa: BLE001 - a property of somebody else's that is not ready
        return None


def _nodes(node: Any, metadata: Mapping[str, Any]) -> list[tuple[Any, Mapping[str, Any], str]]:
    """The nodes of a graph, compiled or not."""
    nodes = _attribute(node, "nodes")
    if not isinstance(nodes, Mapping):
        return []
    found: list[tuple[Any, Mapping[str, Any], str]] = []
    for name, spec in nodes.items():
        inner = getattr(spec, "runnable", None) or getattr(spec, "bound", None)
        if inner is not None and not str(name).startswith("__"):
            found.append((inner, {**metadata, **(_metadata_of(spec) or {})}, str(name)))
    return found


def _parts(value: Any) -> Iterator[Any]:
    """What of a value can hold schemas, or holds what can."""
    known = isinstance(value, Runnable | Guard | FunctionType | MethodType | partial)
    if known or hasattr(value, "compile") or type(value).__module__ in _OTHERS:
        if not isinstance(value, type):
            yield value
    elif isinstance(value, Mapping):
        for item in list(value.values()):
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


def _vars_of(thing: Any) -> list[Any]:
    """The parts that an object of the user's keeps, for its methods to use."""
    return [part for part in getattr(thing, "__dict__", {}).values() if isinstance(part, Runnable)]


def _captured(function: Callable[..., Any]) -> list[Any]:
    """What a function takes from around it: variables that it closes over, and globals it names."""
    inner: Any = function
    cells = [cell.cell_contents for cell in inner.__closure__ or () if _is_filled(cell)]
    names = inner.__code__.co_names
    named = [inner.__globals__[name] for name in names if name in inner.__globals__]
    # Functions of modules name half the world: only what can judge or run is followed from there,
    # and other functions of the same module.
    return [*cells, *(one for thing in named for one in _leads(thing, inner.__module__))]


def _leads(thing: Any, module: str) -> Iterator[Any]:
    for one in thing.values() if isinstance(thing, dict) else [thing]:
        is_own = isinstance(one, FunctionType) and one.__module__ == module
        if is_own or isinstance(one, Runnable | Guard) or type(one).__module__ in _OTHERS:
            yield one


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True
