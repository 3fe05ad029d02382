"""The random generators that the harness seeded, left as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["randomness_kept"]


@contextmanager
def randomness_kept() -> Iterator[None]:
    """Leave the generators that the harness seeded as they were: models and tasks draw from them.

    Reading documents may draw, and so does a retry's jitter.
    """
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
