"""Which documents of each task are evaluated, by their positions in the whole set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from llm_integrations.core.config import check_kind
from llm_integrations.core.errors import ConfigurationError
from lm_eval.evaluator_utils import get_sample_size

__all__ = ["Selection"]


class Selection:
    """The ``limit`` and ``samples`` that the harness is given.

    Documents are left out by the harness's own ``samples``, a mapping that it reads after the
    tasks are loaded and judged. So each keeps its position, its ``doc_id``, and its prompt is the
    one that ``simple_evaluate(samples=…)`` would build.

    Args:
        limit, samples: as for ``simple_evaluate``.
        leaves_out: whether documents may be left out. ``limit`` is told as positions then, since
            the harness takes only one of the two.

    Raises:
        ConfigurationError: both are given, or one is of another kind.
    """

    def __init__(
        self, limit: float | None, samples: Mapping[str, Iterable[int]] | None, *, leaves_out: bool
    ) -> None:
        if limit is not None and samples is not None:
            raise ConfigurationError("limit= and samples= both choose documents: give one of them")
        if limit is not None:
            check_kind("limit", limit, Real, "a number of documents, or a share of them")
        check_kind("samples", samples or {}, Mapping, "a dict, as {'task': [0, 2]}")
        self._asked_limit = limit
        self._asked: dict[str, list[int]] = {
            name: _Positions(_whole(name, chosen)) for name, chosen in (samples or {}).items()
        }
        self._is_limited = limit is not None
        self.is_partial = self._is_limited or bool(samples)
        self.limit = None if leaves_out else limit
        self.samples: dict[str, list[int]] | None = (
            {**self._asked} if leaves_out or samples is not None else None
        )

    def positions(self, name: str, task: Any, count: int) -> Sequence[int]:
        """The positions that are evaluated of a task with ``count`` documents, ascending.

        Raises:
            ConfigurationError: ``samples`` names a position that there is not.
        """
        chosen = self._asked.get(name)
        if chosen:  # an empty list means all documents to the harness
            if chosen[0] < 0 or chosen[-1] >= count:
                raise ConfigurationError(
                    f"samples= names positions of {name} that are not among 0 to {count - 1}"
                )
            return chosen
        limit = get_sample_size(task, self._asked_limit)
        return range(count if limit is None else min(limit, count))

    def keep(self, name: str, positions: Sequence[int], count: int) -> None:
        """Have the harness evaluate these positions of a task, ascending."""
        if self.samples is not None and len(positions) < count:
            self.samples[name] = _Positions(positions)

    def restore(self, results: Any) -> None:
        """Say the asked ``limit`` in the results' configuration."""
        config = results.get("config")
        if isinstance(config, dict) and self._is_limited:
            config["limit"] = self._asked_limit


def _whole(task: str, chosen: Any) -> list[int]:
    positions = [*chosen] if isinstance(chosen, Iterable) else None
    if positions is None or not all(isinstance(each, Integral) for each in positions):
        raise ConfigurationError(f"samples= names documents of {task} by whole numbers")
    return positions


class _Positions(list[int]):
    """Ascending positions, each once: the harness numbers documents by this order.

    It also asks for each document whether it is ``in`` the list.
    """

    def __init__(self, positions: Iterable[int]) -> None:
        self._known = frozenset(positions)
        super().__init__(sorted(self._known))

    def __contains__(self, position: object) -> bool:
        return position in self._known
