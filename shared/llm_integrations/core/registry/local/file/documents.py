"""Reading and writing JSON and YAML files that people edit by hand."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.documents import parse_json, parse_yaml
from llm_integrations.core.errors import RegistryProtocolError

__all__ = ["SUFFIXES", "dump_document", "read_document"]

SUFFIXES: Final = (".json", ".yaml", ".yml")

_LARGEST: Final = 16 * 2**20  # bytes


def read_document(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        RegistryProtocolError: names the file and says what is wrong with it.
        OSError: as the file system has it.
    """
    text = _read_text(path)
    try:
        return parse_json(text) if path.suffix == ".json" else parse_yaml(text)
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
