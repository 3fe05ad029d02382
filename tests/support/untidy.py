"""Marks for tests of frameworks that leave warnings and open files behind."""

from __future__ import annotations

import pytest

__all__ = ["UNTIDY"]

UNTIDY = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
