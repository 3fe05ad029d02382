"""Random schemas, types and data: columns must say what rows say. The long run is in tests/real."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from llm_integrations.core.arrow.compile.patterns import disagreement as re2_disagreement
from llm_integrations.core.arrow.kernels.formats import PLAIN
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.validation import compile_validator
from tests.support.arrow import BOTH, column, disagreement
from tests.support.arrow_fuzz import random_case
from tests.support.arrow_patterns import TEXTS, random_pattern

SEEDS = 320


@pytest.mark.parametrize("share", range(4))
def test_columns_and_rows_agree_on_random_schemas(share: int) -> None:
    judged = 0
    for seed in range(share, SEEDS, 4):
        case = random_case(seed)
        for nulls in BOTH:
            try:
                found = disagreement(case, nulls)
            except InvalidSchema:
                continue
            judged += 1
            assert not found, f"seed {seed}, {found}"
    assert judged > SEEDS / 4, "too few schemas were judged for this to mean anything"


def test_re2_and_the_engine_agree_on_the_patterns_that_are_let_through() -> None:
    rng = random.Random(7)
    table = pa.array(TEXTS)
    ways: Counter[str] = Counter()
    for _ in range(200):
        pattern = random_pattern(rng)
        try:
            compile_validator({"pattern": pattern})
        except InvalidSchema:
            continue
        ways["asked" if re2_disagreement(pattern) else "columns"] += 1
        column({"pattern": pattern}, table)
    assert ways["columns"] > 100


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64(), pa.int8(), pa.uint64()])
def test_multiples_agree_with_decimal_arithmetic(kind: Any) -> None:
    rng = random.Random(11)
    for _ in range(60):
        places = rng.randint(0, 9)
        step = rng.choice((1, 2, 5, 25, 3, 7, 0.5, round(rng.uniform(0, 9), places) or 1))
        table = pa.array(_near_multiples(rng, step, kind), kind)
        column({"multipleOf": step}, table)


def _near_multiples(rng: random.Random, step: float, kind: Any) -> list[Any]:
    numbers: list[float] = [step * rng.randint(-50, 50) for _ in range(20)]
    numbers += [rng.randint(-100, 100) * step + rng.choice((1e-9, 0.1)) for _ in range(10)]
    numbers += [rng.uniform(-1, 1) * 10 ** rng.randint(0, 17) for _ in range(10)]
    if pa.types.is_floating(kind):
        return [*numbers, 0.0, -0.0, 1e15, 1e16, 1e22, 1e23, 5e-324]
    low, high = (0, 2**64 - 1) if kind == pa.uint64() else (-(2 ** (kind.bit_width - 1)),) * 2
    if kind != pa.uint64():
        high = 2 ** (kind.bit_width - 1) - 1
    return [min(max(int(number), low), high) for number in numbers] + [low, high]


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_the_plain_tests_of_formats_accept_nothing_that_the_engine_refuses(name: str) -> None:
    rng = random.Random(name)
    texts = [_mutated(rng, rng.choice(_SEEDS[name])) for _ in range(1500)]
    mask = column({"format": name}, texts)
    assert 50 < sum(mask) < len(mask), "these texts would not show a mistake"


def _mutated(rng: random.Random, text: str) -> str:
    """A text near the format: some characters changed, mostly for one of their own class."""
    characters = list(text)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at = rng.randrange(len(characters))
        old = characters[at]
        pools = (
            "0123456789",
            "abcdefghijklmnopqrstuvwxyz",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "-.:/@_+ Z",
        )
        pool = next((p for p in pools if old in p), "0a") if rng.random() < 0.8 else "".join(pools)
        characters[at] = rng.choice(pool)
        if rng.random() < 0.1:
            characters.insert(at, rng.choice("0a.-:"))
        if rng.random() < 0.1 and len(characters) > 1:
            del characters[at]
            at = 0
    return "".join(characters)


_SEEDS = {
    "date": ["2024-02-29", "2023-12-31", "1999-01-01", "2023-02-29", "2000-04-30"],
    "date-time": [
        "2024-02-29T10:20:30Z",
        "2023-12-31T23:59:59.123+05:30",
        "1999-06-30T00:00:00-00:00",
    ],
    "time": ["10:20:30Z", "23:59:59.5+05:30", "00:00:00Z"],
    "email": ["user@example.com", "a.b-c@sub.example.org", "first_last@x1.co"],
    "hostname": ["example.com", "a.b.c", "www.example-site.org", "x1.y2"],
    "ipv4": ["1.2.3.4", "255.255.255.255", "192.168.100.1", "0.0.0.0"],
    "uri": ["https://example.com/a/b.txt", "http://a.b", "https://x1.org/~user/"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "deadbeef-dead-beef-dead-beefdeadbeef"],
}
