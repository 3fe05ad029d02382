"""The long run of tests/shared/test_arrow_fuzz.py: at least 20,000 random schemas.

ARROW_FUZZ_START=1000000 tries others.
"""

from __future__ import annotations

import os

import pytest

from llm_integrations.core.errors import InvalidSchema
from tests.support.arrow import BOTH, disagreement
from tests.support.arrow_fuzz import random_case

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

START = int(os.environ.get("ARROW_FUZZ_START", "10000"))
PER_TEST = 2_100


@pytest.mark.parametrize("share", range(10))
def test_columns_and_rows_agree_on_random_schemas(share: int) -> None:
    first = START + share * PER_TEST
    schemas = 0
    for seed in range(first, first + PER_TEST):
        case = random_case(seed)
        try:
            found = [disagreement(case, nulls) for nulls in BOTH]
        except InvalidSchema:
            continue
        schemas += 1
        assert not any(found), f"seed {seed}, {''.join(found)}"
    assert schemas >= 2_000, "too few schemas were judged: ten shares make 20,000"
