"""Texts that are ids, as UUIDs, hashes and numbered names are: known by their form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Final

__all__ = ["form_of_ids"]

_FEWEST: Final = 20
_LONGEST: Final = 128
_ALIKE: Final = 0.95
_WITH_DIGITS: Final = 0.8
_RANDOM: Final = 12
"""Signs of texts that are ids by being all as long as each other, whatever stands in them."""
_RUN: Final = re.compile(r"[0-9A-Za-z]+")
_NUMBER: Final = re.compile(r"[-+]?\d+[.,]\d+([eE][-+]?\d+)?")


def form_of_ids(texts: Collection[object]) -> str:
    """The form that different texts have in common, as ``x-x-x-x-x, 36 signs``, if they are ids.

    They are where nearly all are without blanks, most have a digit, and nearly all are of one
    shape (what stands between letters and digits) or of one length. Empty for other texts.
    """
    known = [text for text in texts if isinstance(text, str) and _may_be_id(text)]
    if len(texts) < _FEWEST or len(known) < _ALIKE * len(texts):
        return ""
    if sum(any(sign.isdigit() for sign in text) for text in known) < _WITH_DIGITS * len(known):
        return ""
    shape = _common([_RUN.sub("x", text) for text in known])
    length = _common([str(len(text)) for text in known])
    long = length and int(length) >= _RANDOM
    return ", ".join([part for part in (shape, f"{length} signs" if long else "") if part])


def _may_be_id(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and not re.search(r"\s", text) and not _NUMBER.fullmatch(text)


def _common(found: list[str]) -> str:
    """What nearly all have in common; empty if nothing."""
    value, count = Counter(found).most_common(1)[0]
    return value if count >= _ALIKE * len(found) else ""
