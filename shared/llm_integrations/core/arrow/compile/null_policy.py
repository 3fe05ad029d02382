"""Which nulls count as missing properties, at each place of the data.

Under ``nulls="absent"`` the row-wise validator takes nulls away from the data before it judges;
which ones depends on the place alone. So it does on columns: a null there is no member. Where only
a branch of the schema requires a property there are two ways to read its null, and a row is valid
if it is so in either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.nulls.drop_nulls import drop_nulls
from llm_integrations.core.validation.nulls.shape import Shape, Shapes

__all__ = ["STRICT", "NullPolicy", "null_policies"]


@dataclass
class _Difference:
    """Whether it mattered which of the two ways to read a null a policy follows."""

    found: bool = False


@dataclass(frozen=True, eq=False)
class NullPolicy:
    """Which null members of the objects at one place of the data count as missing.

    Attributes:
        shape: what the schema requires here; None: every null is a JSON null.
        keep: whether to keep those that only a branch requires.
        difference: learns whether ``keep`` ever mattered.
    """

    shape: Shape | None
    keep: bool = True
    difference: _Difference = field(default_factory=_Difference)

    def drops(self, name: str) -> bool:
        """Whether a null in this property counts as a missing one."""
        if self.shape is None or name in self.shape.required:
            return False
        if name not in self.shape.undecided:
            return True
        self.difference.found = True
        return not self.keep

    def member(self, name: str) -> NullPolicy:
        return self if self.shape is None else replace(self, shape=self.shape.property(name))

    def item(self, position: int) -> NullPolicy:
        return self if self.shape is None else replace(self, shape=self.shape.item(position))

    @property
    def positions(self) -> int:
        """How many first items of a list each have a rule of their own."""
        return 0 if self.shape is None else self.shape.prefix

    @property
    def drop_nulls(self) -> Callable[[Any], Any] | None:
        """What takes away from a Python value what counts as missing; None if nothing does."""
        if self.shape is None:
            return None
        self.difference.found = True
        return lambda value: drop_nulls(value, self.shape, self.keep)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NullPolicy):
            return NotImplemented
        return self.shape is other.shape and self.keep == other.keep

    def __hash__(self) -> int:
        return hash((id(self.shape), self.keep))


STRICT: Final = NullPolicy(None)


def null_policies(documents: Documents) -> Iterator[NullPolicy]:
    """The ways to read the nulls of a row: one, and another if that one turned out to matter."""
    keep = NullPolicy(Shapes(documents).root)
    yield keep
    if keep.difference.found:
        yield replace(keep, keep=False)
