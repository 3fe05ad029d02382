"""UUIDs of version 5 as text: ids that everybody computes alike."""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["uuid5"]

# Where RFC 9562 has the version and the variant.
_VERSION_5: Final = 5 << 76 | 2 << 62
_REST: Final = ~(15 << 76 | 3 << 62)


def uuid5(namespace: bytes, name: str) -> str:
    """As ``str(uuid.uuid5(…))``, in a third of the time: a registry has ten thousand subjects.

    UnicodeEncodeError for a name with half a pair of surrogates.
    """
    digest = hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()
    text = f"{int.from_bytes(digest[:16]) & _REST | _VERSION_5:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
