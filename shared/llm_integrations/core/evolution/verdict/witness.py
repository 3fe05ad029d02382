"""Looking for an instance that one schema accepts and the other refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema_rs import ValidationError

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ValidationLimitExceeded
from llm_integrations.core.evolution.differences.finding import WitnessTarget
from llm_integrations.core.evolution.differences.instance_path import demanding
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.kinds import Direction
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.sampling.choices import Chooser, Minimal, Randomly
from llm_integrations.core.evolution.verdict.comparison import Comparison
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.compiled_schema import CompiledSchema as Judge
from llm_integrations.core.validation.compiled_schema import compile_schema
from llm_integrations.core.validation.explain.failure import Failure

__all__ = ["Judge", "Witness", "WitnessSearch", "judge_of", "refusals"]


def judge_of(source: Source, options: ValidationOptions) -> Judge:
    """What judges data by a schema as it was written.

    Raises:
        InvalidSchema: when it does not compile.
    """
    return compile_schema(Documents(source.body, source.resources), options)


def refusals(judge: Judge, value: Any, most: int) -> Sequence[Failure | ValidationError]:
    """Why a value is refused: the first reasons, and no more than are shown."""
    return judge.errors(value, most).errors


@dataclass(frozen=True, slots=True)
class Witness:
    """An instance, and why the reader refuses it."""

    value: Any
    refused: str


class WitnessSearch:
    """Finds witnesses for one comparison; each is checked by validators of both schemas as written.

    Args:
        comparison: the pair.
        old: judges by the old schema.
        new: judges by the new one.
    """

    def __init__(self, comparison: Comparison, old: Judge, new: Judge) -> None:
        self._comparison = comparison
        self._judges = {"backward": (old, new), "forward": (new, old)}

    def find(self, direction: Direction, target: WitnessTarget) -> Witness | None:
        """A witness that meets a target; None when none was found within the limits."""
        for chooser in (Minimal(), Randomly(1)):
            demand = demanding(target.node, target.path, direction, chooser)
            for value in self._attempts(direction, demand, chooser):
                witness = self.checked(direction, value)
                if witness is not None:
                    return witness
        return None

    def find_any(self, direction: Direction) -> Witness | None:
        """A witness whose cause is not known."""
        comparison = self._comparison
        refused = comparison.workspace.negation(comparison.goal(direction))
        return self.find(direction, WitnessTarget(refused))

    def _attempts(self, direction: Direction, demand: Node, chooser: Chooser) -> Iterator[Any]:
        comparison = self._comparison
        premises = [*comparison.premises(direction), comparison.workspace.add(demand)]
        try:
            yield from comparison.sampler.attempts(
                premises, chooser, comparison.limits.samples // 2
            )
        except Undecidable:
            return

    def checked(self, direction: Direction, value: Any) -> Witness | None:
        """The value as a witness, if it is one."""
        writer, reader = self._judges[direction]
        try:
            if not writer.accepts(value) or reader.accepts(value):
                return None
            if not self._declared(direction, value):
                return None
            return Witness(value, _reason(reader, value))
        except (ValueError, ValidationLimitExceeded, Undecidable):
            return None

    def _declared(self, direction: Direction, value: Any) -> bool:
        """Whether the policy lets the instance count."""
        extra = self._comparison.premises(direction)[1:]
        return all(self._comparison.oracle.is_valid(node, value) is Answer.YES for node in extra)


def _reason(reader: Judge, value: Any) -> str:
    errors = refusals(reader, value, 1)
    if not errors:
        return ""
    path = "".join(f"/{part}" for part in errors[0].instance_path)
    return f"{path or '(root)'}: {errors[0].message}"[:300]
