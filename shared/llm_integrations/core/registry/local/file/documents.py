"""Reading and writing JSON and YAML files that people edit by hand."""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
from typing import Any, Final

from llm_integrations.core.documents import parse_json, parse_yaml
from llm_integrations.core.errors import RegistryProtocolError

__all__ = ["SUFFIXES", "check_size", "damaged", "dump_document", "parse_document", "read_document"]

SUFFIXES: Final = (".json", ".yaml", ".yml")

_LARGEST: Final = 16 * 2**20  # bytes
# Opening a pipe to read it would wait for a writer; Windows has no such flag, and no such pipe.
_AT_ONCE: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_CONFLICT: Final = re.compile(r"^(?:<{7}|>{7})(?: |$)", re.MULTILINE)


def read_document(path: str) -> Any:
    """The JSON value in a file.

    Raises:
        RegistryProtocolError: names the file and says what is wrong with it.
        OSError: as the file system has it.
    """
    return parse_document(path, _read(path))


def parse_document(path: str, raw: bytes) -> Any:
    """The JSON value that a file holds. RegistryProtocolError as ``read_document``."""
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode()  # "utf-8-sig" is slow
    except UnicodeDecodeError as error:
        raise damaged(path, f"it is not UTF-8 (byte {error.start})") from None
    try:
        return parse_json(text) if path[-5:].lower() == ".json" else parse_yaml(text)
    except ValueError as error:
        if _CONFLICT.search(text):
            raise damaged(path, _conflict(path, str(error))) from None
        raise damaged(path, str(error)) from None


def dump_document(value: Any, suffix: str = ".json") -> bytes:
    """Indented, with the keys in the order given, and a newline at the end."""
    if suffix == ".json":
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text.encode()


def damaged(path: str, reason: str) -> RegistryProtocolError:
    return RegistryProtocolError(f"{path} is damaged: {reason}")


def _conflict(path: str, reason: str) -> str:
    """What to do about a merge that left both sides in one file."""
    name = os.path.basename(path)  # noqa: PTH119 - a name, no file
    return (
        f"it holds the conflict markers of a merge ({reason}). Two branches changed it: keep one "
        f"side (git checkout --ours, or --theirs, {name}), and if it is a version that both "
        "added, register the other side's schema again, as the next version; then git add"
    )


def check_size(path: str, size: int) -> None:
    if size > _LARGEST:
        raise damaged(path, f"it is larger than {_LARGEST // 2**20} MB")


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise damaged(path, "it is not a regular file")
        check_size(path, status.st_size)
        raw = b""
        while len(raw) < status.st_size and (more := os.read(descriptor, status.st_size)):
            raw += more
    finally:
        os.close(descriptor)
    return raw
