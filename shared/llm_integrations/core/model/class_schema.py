"""The JSON Schema of a class, as the library that the class belongs to gives it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin

from llm_integrations.core.config import check_choice
from llm_integrations.core.errors import ConfigurationError, InvalidSchema, MissingExtra
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema
from llm_integrations.core.model.schema_file import read_schema
from llm_integrations.core.ready import ready_schema

__all__ = ["Mode", "is_model", "load_model", "metadata_of", "schema_of", "subject_of"]

Mode: TypeAlias = Literal["validation", "serialization"]
"""Which data of a pydantic model is meant: what it accepts, or what it writes."""

_WORDS: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+[0-9]*")
_OWNER_KEYWORDS: Final = ("x-owner", "owner")


def is_model(source: object) -> bool:
    """Whether a schema can be had of it: a class, or a pydantic TypeAdapter."""
    return _maker(source) is not None


def schema_of(source: Any, mode: Mode = "validation") -> JsonSchema:
    """The JSON Schema of a class: pydantic, dataclass, TypedDict, msgspec Struct, attrs, Enum.

    So have types made of them, as ``list[User]``, ``Cat | Dog`` and ``Annotated[…]``.

    A schema (dict or bool) is returned as it is; a ``Path`` is read, JSON or YAML, and text names a
    ready schema.

    Args:
        mode: "validation" is the schema of what a pydantic model accepts, "serialization" of what
            it writes: with computed fields, and those with a default as required ones.

    Raises:
        InvalidSchema: the class has no schema, as one with a field of any function's type, or it
            is an instance of a class that has one.
        ConfigurationError: there is no ready schema of that name; the file cannot be read.
        MissingExtra: neither pydantic nor msgspec is there to make it.
    """
    check_choice("mode", mode, Mode)
    if isinstance(source, dict | bool):
        return source
    if isinstance(source, str):
        return ready_schema(source)
    if isinstance(source, PathLike):
        return read_schema(Path(source))
    if isinstance(source, RegisteredSchema | SchemaRef):
        raise InvalidSchema("a version is no schema: its schema is registry.get(…).body")
    make = _maker(source)
    if make is None and _maker(type(source)) is not None:
        kind = type(source).__name__
        raise InvalidSchema(f"that is an instance of {kind}: the class is meant, {kind} itself")
    if make is None:
        raise InvalidSchema(
            "a JSON Schema is an object or a boolean, or a class that has one (a pydantic model or "
            "TypeAdapter, a dataclass, a TypedDict, a msgspec Struct, an attrs class, an Enum), or "
            f"the Path of a file with one, not {_name(source)}"
        )
    try:
        schema: JsonSchema = make(source, mode)
    except (MissingExtra, RecursionError):
        raise
    except Exception as error:  # each library has errors of its own
        first = str(error).partition("\n")[0]
        raise InvalidSchema(f"{_name(source)} has no JSON Schema: {first}") from error
    return schema


def metadata_of(source: Any, schema: JsonSchema, mode: Mode = "validation") -> dict[str, Any]:
    """What the registry is told of a class besides its schema; nothing of a plain schema.

    ``model`` names the class and ``mode`` the kind of schema, ``description`` is its docstring,
    and ``owner`` what its schema has as ``x-owner`` (or ``owner``): in pydantic,
    ``ConfigDict(json_schema_extra={"x-owner": "team-a"})``.
    """
    if not is_model(source):
        return {}
    found: dict[str, Any] = {"model": _path(source), "mode": mode}
    if text := _docstring(source):
        found["description"] = text
    if owner := _owner(schema):
        found["owner"] = owner
    return found


def subject_of(source: Any) -> str:
    """The subject that a class is registered under unless another is given: UserProfile is
    ``user-profile``."""
    name = re.sub(r"\W.*", "", getattr(_class(_unwrapped(source)), "__name__", "model"))
    return "-".join(_WORDS.findall(name)).lower() or "model"


def load_model(path: str) -> Any:
    """The class at ``package.module:Name``, or ``file.py:Name``; the working directory counts.

    Raises:
        ConfigurationError: there is none, and why.
    """
    module, colon, name = path.rpartition(":")
    if not colon or not module or not name:
        raise ConfigurationError(f"a model is named as package.module:Name, not {path!r}")
    try:
        found: Any = _module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise ConfigurationError(f"{module} has no {name}") from None
    except Exception as error:  # whatever the module does when it is imported
        raise ConfigurationError(
            f"{module} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return found


def _module(name: str) -> Any:
    if not name.endswith(".py"):
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        return importlib.import_module(name)
    if not Path(name).is_file():
        raise ConfigurationError(f"{name} is no Python file")
    module = ModuleType(Path(name).stem)
    module.__file__ = name
    sys.modules[module.__name__] = module  # where dataclasses look up the names in annotations
    # As the file is now: of two edits within a second, Python's own cache keeps the first.
    exec(compile(Path(name).read_bytes(), name, "exec"), vars(module))  # noqa: S102 - the caller's
    return module


def _maker(source: Any) -> Callable[[Any, Mode], JsonSchema] | None:
    """What makes the schema of this kind of class, or None for anything else."""
    if _is_adapter(source):
        return lambda adapter, mode: adapter.json_schema(mode=mode)
    if _is_type_form(source):
        is_foreign = any(_is_of_msgspec(part) for part in _parts_of(source))
        return _by_msgspec if is_foreign or find_spec("pydantic") is None else _by_pydantic
    bare = _class(source)
    if not isinstance(bare, type):
        return None
    if callable(getattr(bare, "model_json_schema", None)):
        return lambda model, mode: model.model_json_schema(mode=mode)
    if hasattr(bare, "__fields__") and callable(getattr(bare, "schema", None)):
        return _by_pydantic_1
    if _is_of_msgspec(bare):
        return _by_msgspec
    if hasattr(bare, "__pydantic_core_schema__") or _is_plain_model(bare):
        return _by_pydantic if _pydantic_takes(bare) else _by_msgspec
    return None


def _is_adapter(source: Any) -> bool:
    """A pydantic TypeAdapter."""
    return callable(getattr(source, "json_schema", None)) and hasattr(source, "validate_python")


def _unwrapped(source: Any) -> Any:
    """What a TypeAdapter is made of."""
    return getattr(source, "_type", source) if _is_adapter(source) else source


def _is_type_form(source: Any) -> bool:
    """``list[User]``, ``Cat | Dog``, ``Annotated[…]``, a NewType, an alias of such.

    A generic class of one's own is a class.
    """
    bare = _class(source)
    own = isinstance(bare, type) and bare.__module__ not in ("builtins", "collections.abc", "types")
    return _named_form(source) is not None or (get_origin(source) is not None and not own)


def _named_form(source: Any) -> Any:
    """What a NewType, or an alias by ``type X = …``, is a name of; else None."""
    if type(source).__name__ == "TypeAliasType":
        return source.__value__
    return None if isinstance(source, type) else getattr(source, "__supertype__", None)


def _parts_of(form: Any) -> Iterator[Any]:
    """The types that a type is made of, itself included; an alias may contain itself."""
    waiting, seen = [form], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            named = _named_form(part)
            waiting += [*get_args(part), *(() if named is None else (named,))]


def _is_of_msgspec(source: Any) -> bool:
    """A Struct or an attrs class, of which pydantic knows nothing."""
    return hasattr(source, "__struct_fields__") or hasattr(source, "__attrs_attrs__")


def _is_plain_model(source: type) -> bool:
    is_typed_dict = hasattr(source, "__required_keys__")  # of typing, or of typing_extensions
    is_named_tuple = issubclass(source, tuple) and hasattr(source, "_fields")
    is_plain = is_typed_dict or is_named_tuple or dataclasses.is_dataclass(source)
    return is_plain or (issubclass(source, Enum) and len(source) > 0)


def _pydantic_takes(source: type) -> bool:
    """It refuses the TypedDict of ``typing`` before Python 3.12, which msgspec takes."""
    is_refused = sys.version_info < (3, 12) and type(source).__module__ == "typing"
    there = find_spec("pydantic") is not None
    return there and not (is_refused and find_spec("msgspec") is not None)


def _by_pydantic(source: Any, mode: Mode) -> JsonSchema:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(source).json_schema(mode=mode)
    except Exception:  # of a part that is a Struct or of attrs, msgspec knows more
        with suppress(Exception):  # then what pydantic says helps
            return _by_msgspec(source, mode)
        raise


def _by_pydantic_1(source: Any, mode: Mode) -> JsonSchema:  # noqa: ARG001 - it has one kind
    return {"$schema": "http://json-schema.org/draft-07/schema#", **source.schema()}


def _by_msgspec(source: Any, mode: Mode) -> JsonSchema:  # noqa: ARG001 - it has one kind
    if find_spec("msgspec") is None:
        raise MissingExtra(f"{_name(source)} needs msgspec (or pydantic): pip install msgspec")
    import msgspec

    return msgspec.json.schema(source)


def _class(source: Any) -> Any:
    """The class behind a generic alias, ``Page[int]`` of Page."""
    return getattr(source, "__origin__", source) if get_args(source) else source


def _docstring(source: Any) -> str:
    """Of the class itself: not its base's, nor the one that dataclasses make up."""
    source = _unwrapped(source)
    made = _class(source)
    if _is_type_form(source) or not isinstance(made, type):
        return ""
    text = vars(made).get("__doc__") or ""
    return "" if text.startswith(f"{made.__name__}(") else inspect.cleandoc(text)


def _owner(schema: JsonSchema) -> str | None:
    """Where a root is a reference, as msgspec makes them, its target is asked."""
    if not isinstance(schema, dict):
        return None
    target = str(schema.get("$ref", "")).rpartition("/")[2]
    inner = schema.get("$defs", {}).get(target, {})
    found = (part.get(key) for part in (schema, inner) for key in _OWNER_KEYWORDS)
    return next((owner for owner in found if isinstance(owner, str) and owner), None)


def _path(source: Any) -> str:
    source = _unwrapped(source)
    if _is_type_form(source):
        return str(source)
    made = _class(source)
    return f"{getattr(made, '__module__', '?')}:{getattr(made, '__qualname__', made)}"


def _name(source: Any) -> str:
    if _is_type_form(source):
        return str(source)
    return source.__name__ if isinstance(source, type) else type(source).__name__
