"""A yes is certain: random schemas and edits try to find data that shows otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.evolution import check_compatibility
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.kinds import Direction
from llm_integrations.core.evolution.model.levels import Policy
from llm_integrations.core.evolution.model.limits import Limits, Undecidable
from llm_integrations.core.evolution.model.source import source_of
from llm_integrations.core.evolution.normal_form.nodes import descendants
from llm_integrations.core.evolution.sampling.children import NoSample
from llm_integrations.core.evolution.sampling.choices import Randomly
from llm_integrations.core.evolution.sampling.sampler import Sampler
from llm_integrations.core.evolution.sampling.scalars import is_plain, plainly_fits
from llm_integrations.core.evolution.verdict.comparison import Comparison
from llm_integrations.core.validation import Validator, compile_validator
from tests.support.schema_fuzz import DRAFTS, SchemaMaker, edit, mutations, scramble

PAIRS = 80
DIRECTIONS: tuple[Direction, Direction] = ("backward", "forward")
OPTIONS = ValidationOptions()


def instances(compared: Comparison, direction: Direction, rng: random.Random) -> Iterator[Any]:
    """Data for the writing side: made for it, made of anything, and near to both."""
    pool = [scramble(rng) for _ in range(8)]
    sampler = Sampler(compared.prover)
    compared.workspace.budget.start_phase()
    for seed in range(6):
        try:
            pool.append(sampler.sample(compared.premises(direction), Randomly(seed)))
        except (NoSample, Undecidable):
            continue
    for value in pool:
        yield value
        yield from mutations(value, rng, 3)


def counts(compared: Comparison, direction: Direction, value: Any) -> bool:
    """Whether the policy lets an instance count: lenient leaves undeclared properties out."""
    declared = compared.premises(direction)[1:]
    return all(compared.oracle.is_valid(node, value) is Answer.YES for node in declared)


@pytest.mark.parametrize("policy", ["strict", "lenient"])
def test_no_data_contradicts_a_yes_and_every_no_is_shown(policy: Policy) -> None:
    tried = yes = no = undecided = 0
    for seed in range(PAIRS):
        rng = random.Random(f"{policy} {seed}")
        maker = SchemaMaker(rng, rng.choice(list(DRAFTS)))
        old = maker.document()
        # Each fourth pair is two schemas that have nothing to do with each other.
        other = SchemaMaker(rng, rng.choice(list(DRAFTS))).document()
        new = other if seed % 4 == 0 else edit(old, maker)
        sides = {"backward": (old, new), "forward": (new, old)}
        judges = {k: (compile_validator(a), compile_validator(b)) for k, (a, b) in sides.items()}
        report = check_compatibility(new, [old], "FULL", policy)
        for violation in report.violations:
            writer, reader = judges[violation.direction]
            assert writer.is_valid(violation.witness), (seed, violation)
            assert not reader.is_valid(violation.witness), (seed, violation)
        shown = {item.direction for item in report.violations}
        against = shown | {item.direction for item in report.unknown}
        no, undecided = no + len(shown), undecided + len(against - shown)
        compared = Comparison(
            source_of(old), source_of(new), options=OPTIONS, policy=policy, limits=Limits()
        )
        for direction in DIRECTIONS:
            if direction in against:
                continue
            yes += 1
            tried += _contradict(compared, direction, judges[direction], rng, seed)
    # Few tries would show nothing, and neither would verdicts that are all alike.
    assert tried > 750
    assert yes > 40
    assert no > 20
    assert undecided < 0.05 * 2 * PAIRS


def _contradict(
    compared: Comparison,
    direction: Direction,
    judges: tuple[Validator, Validator],
    rng: random.Random,
    seed: int,
) -> int:
    writer, reader = judges
    tried = 0
    for value in instances(compared, direction, rng):
        if writer.is_valid(value) and counts(compared, direction, value):
            tried += 1
            assert reader.is_valid(value), (seed, direction, value)
    return tried


def test_if_no_change_breaks_a_direction_the_direction_is_compatible() -> None:
    for seed in range(60):
        rng = random.Random(f"changes {seed}")
        maker = SchemaMaker(rng, rng.choice(list(DRAFTS)))
        old = maker.document()
        new = edit(old, maker)
        compared = Comparison(
            source_of(old), source_of(new), options=OPTIONS, policy="strict", limits=Limits()
        )
        for direction in DIRECTIONS:
            blamed = any(f.change.breaks(direction) for f in compared.findings)
            assert blamed == (direction not in compared.safe), (seed, direction)


def test_what_needs_no_validator_is_judged_as_by_one() -> None:
    judged = 0
    for seed in range(75):
        rng = random.Random(f"plain {seed}")
        maker = SchemaMaker(rng, rng.choice(list(DRAFTS)))
        old, new = maker.document(), maker.document()
        compared = Comparison(
            source_of(old), source_of(new), options=OPTIONS, policy="lenient", limits=Limits()
        )
        roots = [compared.old_root, compared.new_root, *compared.workspace.definitions.values()]
        nodes = [node for root in roots for node in descendants(root)]
        offered = [value for node in nodes for value in node.get("enum", ())]
        for value in [*offered, *(scramble(rng) for _ in range(6))]:
            for node in nodes:
                if is_plain(node, value) and not compared.workspace.has_unenforced(node):
                    judged += 1
                    fits = Answer.of(plainly_fits(node, value))
                    assert fits is compared.oracle.is_valid(node, value), (seed, node, value)
    assert judged > 2_500
