"""Texts that are ids are known by their form, left out, and seen when they stop being ids."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from collections.abc import Callable

import pyarrow as pa
import pytest

from llm_integrations.core.drift import DriftReport, Profile, detect, profile_tables
from llm_integrations.core.drift.sketches.forms import form_of_ids
from llm_integrations.core.validation import compile_validator

ANY = compile_validator({"type": "object"}, reference="row@1")
ROWS = 300

Make = Callable[[random.Random, int], str]

IDS: dict[str, tuple[Make, str]] = {
    "uuid": (lambda r, _: str(uuid.UUID(int=r.getrandbits(128))), "x-x-x-x-x, 36 signs"),
    "braced": (lambda r, _: f"{{{uuid.UUID(int=r.getrandbits(128))}}}", "{x-x-x-x-x}, 38 signs"),
    "hash": (lambda r, _: hashlib.sha256(r.randbytes(8)).hexdigest(), "x, 64 signs"),
    "prefixed": (lambda r, _: f"user_{r.getrandbits(64):016x}", "x_x, 21 signs"),
    "numbered": (lambda r, i: f"chat-{r.randrange(9) * 1000 + i}", "x-x"),
    "ulid": (lambda r, _: "01" + "".join(r.choices("0123456789ABCDEFGHJKMNPQRST", k=24)),
             "x, 26 signs"),
    "base64": (lambda r, _: base64.urlsafe_b64encode(r.randbytes(18)).decode(), "24 signs"),
    "digits": (lambda r, _: str(r.randrange(10**11, 10**12)), "x, 12 signs"),
    "pages": (lambda r, i: f"https://example.org/{r.randrange(10**6)}/{i}", "x://x.x/x/x"),
}  # fmt: skip

WORDS = ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "do"]

OTHERS: dict[str, Make] = {
    "sentences": lambda r, i: " ".join(r.choices(WORDS, k=8)) + f" {i}",
    "names": lambda r, i: r.choice(WORDS).title() + "".join(r.choices("abcdefgh", k=5)),
    "mails": lambda r, i: "".join(r.choices("abcdefgh", k=r.randrange(4, 9))) + "@example.org",
    "prices": lambda r, i: f"{r.randrange(10**5)}.{r.randrange(100):02d}",
    "categories": lambda r, i: f"id-{r.randrange(5)}",
    "blank": lambda r, i: "",
}


def texts(make: Make, seed: int, count: int = ROWS) -> list[str]:
    source = random.Random(seed)
    return [make(source, i) for i in range(count)]


def compared(before: list[str], after: list[str], compare: tuple[str, ...] = ()) -> DriftReport:
    tables = [pa.table({"id": column, "n": [1.0, 2.0] * (len(column) // 2)})
              for column in (before, after)]  # fmt: skip
    return detect([tables[1]], ANY, profile_tables([tables[0]], ANY), compare=compare)


@pytest.mark.parametrize("name", IDS)
def test_ids_are_left_out_and_that_is_said(name: str) -> None:
    make, form = IDS[name]
    before, after = texts(make, 1), texts(make, 2)
    report = compared(before, after)
    assert not report.drifted
    assert report.not_compared == {
        "id": f"its texts are ids ({form}), so that its values are new each time"
    }
    assert "id" not in compared(before, after, compare=("id",)).not_compared


@pytest.mark.parametrize("name", OTHERS)
def test_other_texts_are_compared(name: str) -> None:
    report = compared(texts(OTHERS[name], 1), texts(OTHERS[name], 2))
    assert report.not_compared == {}


@pytest.mark.parametrize(
    "after", [IDS["hash"][0], IDS["numbered"][0], OTHERS["sentences"], lambda _r, _i: "unknown"]
)
def test_ids_of_another_form_and_texts_that_are_no_ids_any_more_are_drift(after: Make) -> None:
    report = compared(texts(IDS["uuid"][0], 1), texts(after, 2))
    assert report.drifted
    assert "its texts were ids of the form x-x-x-x-x, 36 signs" in str(report.anomalies[0])


def test_few_texts_say_nothing_of_their_form() -> None:
    make = IDS["uuid"][0]
    assert not compared(texts(make, 1), texts(make, 2, 10)).drifted
    assert form_of_ids(texts(make, 1, 19)) == ""
    assert form_of_ids([]) == ""


def test_parts_know_ids_and_a_profile_keeps_their_form() -> None:
    make, form = IDS["uuid"]
    profile = profile_tables([pa.table({"id": texts(make, 1)})], ANY)
    again = Profile.from_dict(profile.to_dict())
    assert again.columns["id"].form == form
    old = profile.to_dict()
    del old["columns"]["id"]["form"]
    assert Profile.from_dict(old).columns["id"].form == ""
