"""What each version was when it was published: so that a later change of its file is noticed.

``.fingerprints`` in the registry's folder, a line for each version, to be kept in git::

    user-profile@2 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a

Lines are appended; the last one about a version counts, and one that makes no sense counts for
nothing. A version that people put here by hand has none until ``llm-integrations init`` is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from llm_integrations.core.errors import InvalidReference
from llm_integrations.core.model.reference import SchemaRef

__all__ = ["read_fingerprints", "record_fingerprints"]

_NAME: Final = ".fingerprints"


def record_fingerprints(root: Path, published: Iterable[tuple[SchemaRef, str]]) -> None:
    """Append what was published. Raises OSError."""
    lines = "".join(f"{ref} {fingerprint}\n" for ref, fingerprint in published)
    descriptor = os.open(root / _NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        # A writer that was killed, or an editor, may have left a line without its end.
        is_whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
        os.write(descriptor, (lines if is_whole else f"\n{lines}").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_fingerprints(root: Path) -> dict[SchemaRef, str]:
    """The fingerprints of the versions that have one. Raises OSError."""
    try:
        text = (root / _NAME).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    found: dict[SchemaRef, str] = {}
    for line in text.splitlines():
        name, _, fingerprint = line.rpartition(" ")
        try:
            found[SchemaRef.parse(name)] = fingerprint
        except InvalidReference:
            continue
    return found
