"""The pins of benchmarks: pinning, checking before a run, moving to newer versions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from llm_integrations.core.config import check_name
from llm_integrations.core.errors import ConfigurationError, PinMismatch
from llm_integrations.core.evolution import MigrationGuide, Source, migration_guide
from llm_integrations.core.impact import with_references
from llm_integrations.core.model.schema import DEPRECATED
from llm_integrations.core.pins.comparison import Comparison, compare
from llm_integrations.core.pins.content import changed_since, pin_to
from llm_integrations.core.pins.holds import Hold, Holds
from llm_integrations.core.pins.inputs import Inputs, moved
from llm_integrations.core.pins.lockfile import find_lock, read_lock, write_lock
from llm_integrations.core.pins.model import BenchmarkPin, Pin, Role, check_role
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["BenchmarkPins", "PinFinding", "PinMove"]


@dataclass(frozen=True, slots=True)
class PinFinding:
    """One thing that a check found. ``blocking`` ones refuse the run."""

    benchmark: str
    role: Role | None
    message: str
    blocking: bool = True

    def __str__(self) -> str:
        place = f"{self.benchmark}.{self.role}" if self.role else self.benchmark
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class PinMove:
    """A pin that moved: from where to where, whether results stay comparable, and the guide.

    Attributes:
        guide: None where the registry no longer has what was pinned.
    """

    benchmark: str
    role: Role
    old: Pin
    new: Pin
    comparison: Comparison
    guide: MigrationGuide | None


class BenchmarkPins:
    """The schemas that benchmarks were written for, in a lock file.

    Args:
        path: the lock file, as ``benchmarks.lock``; made by the first ``pin``. A relative one is
            looked for up to the project's root: ``inspect eval`` runs inside the task's folder.
        registry: a Registry, a URL, or None for the environment's.
    """

    def __init__(self, path: str | Path, registry: Registry | str | None = None) -> None:
        self.path = find_lock(Path(path))
        self.registry = resolve_registry(registry)
        self._holds = Holds(self.path.with_name(f"{self.path.name}.holds.json"))
        self._lock = FileLock(f"{self.path}.lock")

    def benchmarks(self) -> dict[str, BenchmarkPin]:
        """All pins, by benchmark."""
        return read_lock(self.path)

    def find(self, *names: str) -> BenchmarkPin | None:
        """The pins under the first of these names that has some, else under a pattern of one.

        A benchmark's name in the lock may be a pattern, as ``mmlu_*``; of several the longest.
        """
        known = self.benchmarks()
        for name in names:
            if name in known:
                return known[name]
        fits = [p for name in names for p in known if fnmatchcase(name, p)]
        return known[max(fits, key=len)] if fits else None

    def get(self, benchmark: str) -> BenchmarkPin:
        """The pins of one benchmark; PinMismatch when it has none."""
        found = self.find(benchmark)
        if found is None:
            raise PinMismatch(
                f"{benchmark} is not pinned in {self.path}: "
                f"llm-integrations pin add {benchmark} --case subject@version"
            )
        return found

    def pin(
        self,
        benchmark: str,
        *,
        inputs: Mapping[str, Inputs] | None = None,
        **schemas: str | SchemaRef,
    ) -> BenchmarkPin:
        """Pin the versions that the references mean now, and lift what held the benchmark.

        Args:
            inputs: by task what else its scores depend on, as ``stored_inputs`` reads it from
                results; None keeps what is pinned.
            schemas: ``case=``, ``result=``, ``metric=``; roles left out keep their pin.
        """
        return self._pin(benchmark, self._wanted(benchmark, schemas), inputs)

    def _wanted(self, benchmark: str, schemas: Mapping[str, str | SchemaRef]) -> dict[Role, Pin]:
        check_name("a benchmark's name", benchmark)
        return {
            check_role(role): pin_to(self.registry, reference)
            for role, reference in schemas.items()
        }

    def _pin(
        self, benchmark: str, new: Mapping[Role, Pin], inputs: Mapping[str, Inputs] | None
    ) -> BenchmarkPin:
        with self._lock:
            known = self.benchmarks()
            before = known.get(benchmark, BenchmarkPin(benchmark))
            pins: dict[Role, Pin] = {**before.pins, **new}
            kept = before.inputs if inputs is None else inputs
            pinned = BenchmarkPin(benchmark, pins, kept)
            if not pinned.pins:
                raise ConfigurationError(f"{benchmark}: name a case, result or metric schema")
            write_lock(self.path, {**known, benchmark: pinned})
            self._holds.lift(benchmark)
        return pinned

    def remove(self, benchmark: str) -> BenchmarkPin:
        """Take a benchmark out of the lock, and lift what held it; PinMismatch if it has no pin."""
        with self._lock:
            known = self.benchmarks()
            removed = known.pop(benchmark, None)
            if removed is None:
                raise PinMismatch(f"{benchmark} is not pinned in {self.path}")
            write_lock(self.path, known)
            self._holds.forget(benchmark)
        return removed

    def check(
        self, benchmark: str, declared: Mapping[Role, str | SchemaRef] | None = None
    ) -> list[PinFinding]:
        """Findings about a benchmark; blocking ones refuse a run, the others are warnings.

        Args:
            declared: the schemas that the benchmark itself names, by role; each must mean the
                pinned version.

        Raises:
            PinMismatch: the benchmark is not pinned.
            RegistryError: the registry cannot be asked.
        """
        pinned = self.get(benchmark)
        findings = [
            PinFinding(benchmark, None, f"held since a schema changed: {hold.reason}")
            for hold in self.holds(pinned.name)
        ]
        for role, pin in pinned:
            findings += self._content(benchmark, role, pin)
        for role, reference in (declared or {}).items():
            findings += self._declared(pinned, role, reference)
        return findings

    def require(
        self, benchmark: str, declared: Mapping[Role, str | SchemaRef] | None = None
    ) -> BenchmarkPin:
        """The pins, if the benchmark may run; PinMismatch says what to do if not."""
        blocking = [f for f in self.check(benchmark, declared) if f.blocking]
        if blocking:
            found = "; ".join(str(finding) for finding in blocking)
            pinned = self.get(benchmark)
            stay = " ".join(f"--{role} {pin.ref}" for role, pin in pinned)
            raise PinMismatch(
                f"refused to run: {found}. Once you have looked, stay: llm-integrations pin add "
                f"{pinned.name} {stay}; or move: llm-integrations pin update {pinned.name}"
            )
        return self.get(benchmark)

    def update(
        self,
        benchmark: str,
        *,
        inputs: Mapping[str, Inputs] | None = None,
        **schemas: str | SchemaRef,
    ) -> list[PinMove]:
        """Move pins to the given references, or to the latest of each subject; say what moved.

        What cannot be pinned or compared raises, and then nothing has moved.
        """
        before = self.get(benchmark)
        latest: dict[str, str | SchemaRef] = {role: SchemaRef(pin.subject) for role, pin in before}
        wanted = self._wanted(before.name, {**latest, **schemas})
        moves = [
            self._move(before.name, role, before.pins[role], pin)
            for role, pin in wanted.items()
            if role in before.pins and pin != before.pins[role]
        ]
        self._pin(before.name, wanted, inputs)
        return moves

    def check_inputs(
        self, benchmark: str, inputs: Mapping[str, Inputs], *, skip: Collection[str] = ()
    ) -> list[PinFinding]:
        """Findings about what else scores depend on; none for tasks that have no such pin.

        Args:
            inputs: by task, as they are now.
            skip: parts that are not known now.
        """
        pinned = self.get(benchmark)
        findings = []
        for task, now in inputs.items():
            then = pinned.inputs.get(task)
            parts = [] if then is None else moved(_without(then, skip), _without(now, skip))
            if parts:
                message = f"moved since it was pinned: {', '.join(parts)}"
                findings.append(PinFinding(task, None, message))
        return findings

    def validators(self, benchmark: str) -> dict[Role, Validator]:
        """The compiled schemas of a benchmark, by role, at their pinned versions."""
        return {role: self.registry.validator(pin.ref) for role, pin in self.get(benchmark)}

    def affected_by(self, subject: str) -> list[BenchmarkPin]:
        """The benchmarks that pin any version of a subject."""
        return [pinned for pinned in self.benchmarks().values() if pinned.uses(subject)]

    def holds(self, benchmark: str) -> list[Hold]:
        return self._holds.of(benchmark)

    def hold(self, *holds: Hold) -> None:
        """Keep benchmarks from running until they are pinned again."""
        with self._lock:
            self._holds.add(*holds)

    def _content(self, benchmark: str, role: Role, pin: Pin) -> list[PinFinding]:
        changed = changed_since(self.registry, pin)
        if changed is not None:
            return [PinFinding(benchmark, role, changed)]
        schema = self.registry.get(pin.ref)
        if schema.references and not pin.references:
            message = f"{pin.ref} was pinned without what it refers to; pin it again"
            return [PinFinding(benchmark, role, message, blocking=False)]
        if schema.state == DEPRECATED:
            return [PinFinding(benchmark, role, f"{pin.ref} is deprecated", blocking=False)]
        return []

    def _declared(
        self, pinned: BenchmarkPin, role: Role, reference: str | SchemaRef
    ) -> list[PinFinding]:
        pin = pinned.pins.get(role)
        if pin is None:
            return [PinFinding(pinned.name, role, f"names {reference} but has no pin for it")]
        schema = self.registry.get(reference)
        if schema.subject == pin.subject and schema.fingerprint == pin.fingerprint:
            return []
        return [PinFinding(pinned.name, role, f"names {schema}, is pinned to {pin.ref}")]

    def _move(self, benchmark: str, role: Role, old: Pin, new: Pin) -> PinMove:
        changed = changed_since(self.registry, old)
        if changed is not None:  # what it said then is nowhere to be read
            return PinMove(benchmark, role, old, new, Comparison(False, changed), None)
        before, after = self._source(old), self._source(new)
        guide = migration_guide(before, after)
        return PinMove(benchmark, role, old, new, compare(before, after), guide)

    def _source(self, pin: Pin) -> Source:
        return self.registry.run(with_references(self.registry, self.registry.get(pin.ref)))


def _without(inputs: Inputs, skip: Collection[str]) -> Inputs:
    return {name: digest for name, digest in inputs.items() if name not in skip}
