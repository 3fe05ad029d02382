"""The lock file: TOML that people commit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tomli_w

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import atomic_write
from llm_integrations.core.pins.model import BenchmarkPin, Pin, Role, check_role

__all__ = ["find_lock", "read_lock", "write_lock"]

_FORMAT: Final = 1
_INPUTS: Final = "inputs"
_CONFLICT: Final = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_HEAD: Final = (
    b"# Written by llm-integrations. Commit it; move a pin with: llm-integrations pin update\n"
)


def find_lock(path: Path) -> Path:
    """A relative lock file as it is found here or in a folder above, up to the project's root.

    The root holds ``.git`` or ``pyproject.toml``. Where there is none, the path as it is.
    """
    if path.is_absolute() or path.is_file():
        return path
    for folder in (here := Path.cwd(), *here.parents):
        if (folder / path).is_file():
            return folder / path
        if (folder / ".git").exists() or (folder / "pyproject.toml").is_file():
            break
    return path


def read_lock(path: Path) -> dict[str, BenchmarkPin]:
    """The benchmarks by name; none if there is no file. ConfigurationError names what is wrong."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(_CONFLICT):
            raise ConfigurationError(
                f"{path}, line {number}: a merge left its conflict markers; keep one side of each"
            )
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    try:
        return _benchmarks(document)
    except (ConfigurationError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{path} is no lock file of benchmarks: {error}") from None


def _benchmarks(document: Mapping[str, Any]) -> dict[str, BenchmarkPin]:
    if document.get("format") != _FORMAT:
        raise ConfigurationError(f"format is {document.get('format')!r}, {_FORMAT} is known")
    return {name: _benchmark(name, held) for name, held in document.get("benchmarks", {}).items()}


def _benchmark(name: str, held: Mapping[str, Any]) -> BenchmarkPin:
    roles = {role: pin for role, pin in held.items() if role != _INPUTS}
    pins: dict[Role, Pin] = {check_role(role): Pin.from_dict(pin) for role, pin in roles.items()}
    return BenchmarkPin(
        name, pins, {task: dict(parts) for task, parts in held.get(_INPUTS, {}).items()}
    )


def write_lock(path: Path, benchmarks: Mapping[str, BenchmarkPin]) -> None:
    """Write in one step, in an order that keeps diffs small."""
    document = {
        "format": _FORMAT,
        "benchmarks": {
            name: {
                **{role: pin.to_dict() for role, pin in benchmarks[name]},
                **({_INPUTS: benchmarks[name].inputs} if benchmarks[name].inputs else {}),
            }
            for name in sorted(benchmarks)
        },
    }
    with atomic_write(path) as stream:
        stream.write(_HEAD)
        tomli_w.dump(document, stream)
