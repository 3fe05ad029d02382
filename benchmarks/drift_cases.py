"""Data with and without drift, the same for us and for the peer: numpy alone makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

__all__ = ["KINDS", "drifted", "undrifted"]

Random = np.random.Generator
Make = Callable[[Random, int], Any]


def undrifted(random: Random, rows: int) -> dict[str, Any]:
    """40 columns as tables have them: numbers of many shapes, categories, flags, gaps, texts."""
    columns: dict[str, Any] = {}
    for i in range(8):
        columns[f"normal {i}"] = random.normal(size=rows)
    for i in range(4):
        columns[f"lognormal {i}"] = random.lognormal(0, 1, rows)
    for i in range(2):
        columns[f"pareto {i}"] = random.pareto(2.2, rows)
        columns[f"exponential {i}"] = random.exponential(size=rows)
        columns[f"rounded {i}"] = np.round(random.random(rows) * 3) / 3
    for i in range(4):
        columns[f"count {i}"] = random.poisson(3, rows)
    for i, several in enumerate((2, 3, 5, 8, 20)):
        columns[f"category {i}"] = _named(random.integers(0, several, rows))
    for i in range(4):
        columns[f"word {i}"] = _named(np.minimum(random.zipf(1.5, rows), 5000))
    for i, share in enumerate((0.5, 0.1, 0.02)):
        columns[f"flag {i}"] = random.random(rows) < share
    for i, share in enumerate((0.02, 0.1, 0.4)):
        columns[f"gaps {i}"] = _with_gaps(random.normal(size=rows), random.random(rows) < share)
    for i in range(3):
        columns[f"text {i}"] = _texts(random.gamma(2, 20, rows))
    return columns


def _named(numbers: Any) -> list[str]:
    return [f"value {number}" for number in numbers]


def _with_gaps(values: Any, missing: Any) -> list[float | None]:
    return [None if gap else float(value) for value, gap in zip(values, missing, strict=True)]


def _texts(lengths: Any) -> list[str]:
    return [f"{number} {'x' * int(length)}" for number, length in enumerate(lengths)]


def _chosen(*shares: float) -> Make:
    return lambda random, rows: _named(random.choice(len(shares), rows, p=shares))


def _roles(*names: str) -> Make:
    def make(random: Random, rows: int) -> Any:
        return [
            [{"role": names[turn % len(names)]} for turn in range(int(size))]
            for size in random.integers(1, 6, rows)
        ]

    return make


def _gaps(share: float) -> Make:
    return lambda random, rows: _with_gaps(random.normal(size=rows), random.random(rows) < share)


def _beside_an_outlier(mean: float) -> Make:
    return lambda random, rows: np.append(random.normal(mean, 1, rows - 1), 1e9)


def _bumped(random: Random, rows: int) -> Any:
    return random.normal(size=rows) + 4 * (random.random(rows) < 0.3)


KINDS: Final[Mapping[str, tuple[Make, Make]]] = {
    "mean by 0.6 deviations": (
        lambda random, rows: random.normal(0, 1, rows),
        lambda random, rows: random.normal(0.6, 1, rows),
    ),
    "spread × 1.8": (
        lambda random, rows: random.normal(0, 1, rows),
        lambda random, rows: random.normal(0, 1.8, rows),
    ),
    "lognormal × 3": (
        lambda random, rows: random.lognormal(0, 1.5, rows),
        lambda random, rows: 3 * random.lognormal(0, 1.5, rows),
    ),
    "3 deviations beside one 1e9": (_beside_an_outlier(0), _beside_an_outlier(3)),
    "a second mode": (lambda random, rows: random.normal(size=rows), _bumped),
    "shares of categories": (_chosen(0.5, 0.3, 0.2), _chosen(0.25, 0.3, 0.45)),
    "a new category, 8 %": (_chosen(0.5, 0.3, 0.2), _chosen(0.46, 0.28, 0.18, 0.08)),
    "missing, 2 % to 25 %": (_gaps(0.02), _gaps(0.25)),
    "texts 1.6 × as long": (
        lambda random, rows: _texts(random.gamma(4, 20, rows)),
        lambda random, rows: _texts(1.6 * random.gamma(4, 20, rows)),
    ),
    "flags, 10 % to 35 %": (
        lambda random, rows: random.random(rows) < 0.1,
        lambda random, rows: random.random(rows) < 0.35,
    ),
    "every role in messages": (_roles("user", "assistant"), _roles("human", "gpt")),
    "embeddings by 5 deviations": (
        lambda random, rows: list(random.normal(0, 1, (rows, 64)).tolist()),
        lambda random, rows: list(random.normal(5, 1, (rows, 64)).tolist()),
    ),
}
"""Twelve kinds of drift, before and after."""


def drifted(seed: int, rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A column for each kind, before and after."""
    before, after = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    return (
        {name: first(before, rows) for name, (first, _) in KINDS.items()},
        {name: second(after, rows) for name, (_, second) in KINDS.items()},
    )
