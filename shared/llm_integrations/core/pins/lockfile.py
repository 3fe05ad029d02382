"""The lock file: TOML that people commit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tomli_w

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import atomic_write
from llm_integrations.core.pins.model import BenchmarkPin, Pin, check_role

__all__ = ["read_lock", "write_lock"]

_FORMAT: Final = 1
_HEAD: Final = (
    b"# Written by llm-integrations. Commit it; move a pin with: llm-integrations pin update\n"
)


def read_lock(path: Path) -> dict[str, BenchmarkPin]:
    """The benchmarks by name; none if there is no file. ConfigurationError names what is wrong."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    try:
        return _benchmarks(document)
    except (ConfigurationError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{path} is no lock file of benchmarks: {error}") from None


def _benchmarks(document: Mapping[str, Any]) -> dict[str, BenchmarkPin]:
    if document.get("format") != _FORMAT:
        raise ConfigurationError(f"format is {document.get('format')!r}, {_FORMAT} is known")
    return {
        name: BenchmarkPin(
            name, {check_role(role): Pin.from_dict(pin) for role, pin in roles.items()}
        )
        for name, roles in document.get("benchmarks", {}).items()
    }


def write_lock(path: Path, benchmarks: Mapping[str, BenchmarkPin]) -> None:
    """Write in one step, in an order that keeps diffs small."""
    document = {
        "format": _FORMAT,
        "benchmarks": {
            name: {role: pin.to_dict() for role, pin in benchmarks[name]}
            for name in sorted(benchmarks)
        },
    }
    with atomic_write(path) as stream:
        stream.write(_HEAD)
        tomli_w.dump(document, stream)
