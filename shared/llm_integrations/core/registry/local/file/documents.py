"""Reading and writing JSON and YAML files that people edit by hand."""

from __future__ import annotations

import json
import math
import re
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.errors import RegistryProtocolError

if TYPE_CHECKING:
    import yaml

__all__ = ["SUFFIXES", "dump_document", "read_document"]

SUFFIXES: Final = (".json", ".yaml", ".yml")

_LARGEST: Final = 16 * 2**20  # bytes
_MOST_NODES: Final = 1_000_000  # aliases let a small YAML file stand for a huge tree

# YAML 1.2's core schema: ``no`` and ``2024-01-01`` are text, as the writer of an enum expects.
_NULL: Final = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL: Final = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT: Final = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
_FLOAT: Final = re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$")


def read_document(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        RegistryProtocolError: names the file and says what is wrong with it.
        OSError: as the file system has it.
    """
    text = _read_text(path)
    try:
        return _parse_json(text) if path.suffix == ".json" else _parse_yaml(text)
    except RecursionError:
        raise _damaged(path, "it is nested too deeply") from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None


def dump_document(value: Any, suffix: str = ".json") -> bytes:
    """Indented, with the keys in the order given, and a newline at the end."""
    if suffix == ".json":
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text.encode()


def _damaged(path: Path, reason: str) -> RegistryProtocolError:
    return RegistryProtocolError(f"{path} is damaged: {reason}")


def _read_text(path: Path) -> str:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise _damaged(path, "it is not a regular file")
    if status.st_size > _LARGEST:
        raise _damaged(path, f"it is larger than {_LARGEST // 2**20} MB")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _damaged(path, f"it is not UTF-8 (byte {error.start})") from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} stands twice")
    return result


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse_yaml(text: str) -> Any:
    import yaml

    try:
        value = yaml.load(text, _loader())  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"{getattr(error, 'problem', None) or 'not YAML'}{where}") from None
    return _Plain().copy(value)


@cache
def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class CoreLoader(yaml.SafeLoader):
        """Resolves plain scalars as YAML 1.2's core schema does, and keeps no key twice."""

        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key in keys:
                if keys.count(key) > 1:
                    raise ValueError(f"the key {key!r} stands twice")
            return super().construct_mapping(node, deep)

    for tag, pattern, first in (
        ("null", _NULL, ["~", "n", "N", ""]),
        ("bool", _BOOL, list("tTfF")),
        ("int", _INT, list("-+0123456789")),
        ("float", _FLOAT, list("-+.0123456789")),
    ):
        CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, first)
    return CoreLoader


class _Plain:
    """Copies a YAML value into a JSON one that shares no part with itself."""

    def __init__(self) -> None:
        self._left = _MOST_NODES

    def copy(self, value: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("its aliases stand for too large a document")
        if isinstance(value, dict):
            return {self._key(key): self.copy(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.copy(item) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not a JSON number")
        if value is None or isinstance(value, str | int | float):
            return value
        raise ValueError(f"it holds a value that JSON has not ({type(value).__name__})")

    @staticmethod
    def _key(key: Any) -> str:
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise ValueError(f"the key {key!r} is not text")
        return str(key)
