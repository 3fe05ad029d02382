"""Regular expressions: texts made from them, and whether one covers another."""

from __future__ import annotations

import random

import jsonschema_rs
import pytest

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.patterns.languages import NO_TEXT, TextConstraints, inclusion
from llm_integrations.core.evolution.patterns.samples import sample_pattern
from llm_integrations.core.evolution.sampling.choices import Chooser, Minimal, Randomly


def matches(pattern: str, text: str) -> bool:
    options = jsonschema_rs.RegexOptions()
    judge = jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
    return judge.is_valid(text)


PATTERNS = [
    "^a+$", "^[a-z][a-z0-9_]*$", r"^\d{4}-\d{2}-\d{2}$", "^(red|green|blue)$", "^[^/]+/[^/]+$",
    r"^\S+@\S+\.\S+$", "^v[0-9]+(\\.[0-9]+){0,2}$", "^[A-Z]{2,3}$", "x", "^$", "^.{3}$",
    r"^[\w.-]+$", "^(?:a|b){2,4}c?$", r"^\u0041\x42$", "^a|b$", "^(?<year>[0-9]{4})$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_made_from_a_pattern_match_it(pattern: str) -> None:
    choosers: list[Chooser] = [Minimal(), *map(Randomly, range(20))]
    for chooser in choosers:
        text = sample_pattern(pattern, chooser.pick)
        assert text is not None
        assert matches(pattern, text), text


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("^[a-z]+$", "^[a-z0-9]+$"),
        ("^a$", "^[ab]$"),
        ("^ab", "^a"),
        ("^(a|b)$", "^(a|b|c)$"),
        ("^[A-Z]{2,3}$", "^[A-Z]{2,4}$"),
        ("^a$", "a"),
        ("^v[0-9]+$", "^v[0-9]+"),
    ],
)
def test_a_widened_pattern_covers_the_old_one_and_not_the_other_way(narrow: str, wide: str) -> None:
    assert inclusion(TextConstraints((narrow,)), TextConstraints((wide,))).holds is Answer.YES
    text = inclusion(TextConstraints((wide,)), TextConstraints((narrow,))).counterexample
    assert text is not None
    assert matches(wide, text)
    assert not matches(narrow, text)


def test_lengths_count_as_patterns_do() -> None:
    assert (
        inclusion(TextConstraints(("^[a-z]{3}$",)), TextConstraints((), 3, 3)).holds is Answer.YES
    )
    assert (
        inclusion(TextConstraints(("^a+$",), 0, 2), TextConstraints(("^a{1,2}$",))).holds
        is Answer.YES
    )
    assert inclusion(TextConstraints(("^a{2}$",)), TextConstraints((), 3)).counterexample == "aa"


def test_patterns_that_exclude_each_other_have_no_text() -> None:
    assert inclusion(TextConstraints(("^a", "^b")), NO_TEXT).holds is Answer.YES
    assert inclusion(TextConstraints(("^a", "b$")), NO_TEXT).counterexample == "ab"


@pytest.mark.parametrize("pattern", ["(?=a)a", r"\bword\b", r"(a)\1", r"\p{L}", "a{1000}", "(^a)b"])
def test_what_is_not_read_is_not_known(pattern: str) -> None:
    assert inclusion(TextConstraints((pattern,)), TextConstraints(("^x$",))).holds is Answer.UNKNOWN


def test_too_many_states_are_not_known_either() -> None:
    premises, goal = "(a|b)*a(a|b){12}$", "(a|b)*a(a|b){13}$"
    assert inclusion(TextConstraints((premises,)), TextConstraints((goal,))).holds is Answer.UNKNOWN


def test_random_patterns_agree_with_the_engine() -> None:
    atoms = ["a", "b", "[ab]", "[^a]", ".", r"\d", "(a|bb)", "(?:ab)"]
    counts = ["", "", "*", "+", "?", "{2}", "{1,2}"]
    decided = 0
    for seed in range(250):
        rng = random.Random(seed)

        def draw(rng: random.Random = rng) -> str:
            body = "".join(rng.choice(atoms) + rng.choice(counts) for _ in range(rng.randint(1, 3)))
            return rng.choice(["", "^"]) + body + rng.choice(["", "$"])

        one, other = draw(), draw()
        found = inclusion(TextConstraints((one,)), TextConstraints((other,)))
        if found.counterexample is not None:
            assert matches(one, found.counterexample), (one, other, found)
            assert not matches(other, found.counterexample), (one, other, found)
        elif found.holds is Answer.YES:
            decided += 1
            for sample in range(20):
                text = sample_pattern(one, Randomly(sample).pick)
                if text is not None and matches(one, text):
                    assert matches(other, text), (one, other, text)
    assert decided > 15
