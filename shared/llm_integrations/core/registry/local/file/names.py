"""Subjects as folder names: readable where they are ordinary, safe wherever they are not.

Whatever a subject holds, its folder's name is one plain path component on Linux, macOS and
Windows: other characters are percent-encoded, and a very long name ends in a digest.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from llm_integrations.core.errors import InvalidReference

__all__ = ["decode_subject", "encode_distinctly", "encode_subject", "is_abbreviated"]

_LONGEST: Final = 180  # bytes; file systems take 255, and temporary names add to it
_KEPT: Final = 100
_MARK: Final = "%~"  # no percent-encoding has it
_NOT_PLAIN: Final = re.compile(rb"[^A-Za-z0-9 ._@+=,-]")
_NOT_CASELESS: Final = re.compile(rb"[^0-9_@+=,]")
_TAKEN: Final = re.compile(  # devices on Windows, and the registry's own file
    r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)|registry\.(json|ya?ml)$", re.IGNORECASE
)


def encode_subject(subject: str) -> str:
    """The usual folder name of a subject. Raises InvalidReference for what is no Unicode text."""
    name = _escape_ends(_escaped(_NOT_PLAIN, subject))
    if _TAKEN.match(name):
        name = _escape(ord(name[0])) + name[1:]
    return _abbreviate(name, subject)


def encode_distinctly(subject: str) -> str:
    """A folder name that differs from every other subject's in more than case."""
    return _abbreviate(_escaped(_NOT_CASELESS, subject), subject)


def decode_subject(folder: str) -> str | None:
    """The subject that a folder's name means, or None where the name does not tell it."""
    if is_abbreviated(folder):
        return None
    try:
        return unquote_to_bytes(folder).decode("utf-8")
    except UnicodeError:
        return None


def is_abbreviated(folder: str) -> bool:
    """Whether the folder's sidecar has to say which subject it is."""
    return _MARK in folder


def _utf8(subject: str) -> bytes:
    try:
        return subject.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidReference("a subject must be Unicode text without lone surrogates") from None


def _escape(byte: int) -> str:
    return f"%{byte:02X}"


def _escaped(pattern: re.Pattern[bytes], subject: str) -> str:
    return pattern.sub(lambda found: _escape(found[0][0]).encode(), _utf8(subject)).decode()


def _escape_ends(name: str) -> str:
    """A leading dot hides a folder or leaves it; Windows drops trailing dots and spaces."""
    if name[:1] in (".", "-", " "):
        name = _escape(ord(name[0])) + name[1:]
    if name[-1:] in (".", " "):
        name = name[:-1] + _escape(ord(name[-1]))
    return name


def _abbreviate(name: str, subject: str) -> str:
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(_utf8(subject)).hexdigest()[:40]
    return f"{name[:_KEPT]}{_MARK}{digest}"
