"""The runs under way: what models in them are expected to answer, and what they were held to.

Events say only which run they belong to and which run that is part of. An answer that a prompt
names is expected of the models in the prompt's sequence, however deep they stand: in a retry, a
fallback, a branch, a parallel step, a function. It ends with the first answer, or where the next
prompt starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from llm_integrations.core.binding import INPUT, OUTPUT

__all__ = ["ENDED", "NOTHING", "Asked", "Run", "Runs", "decides", "stands_beside"]

ENDED: Final = ""
"""An expectation that was met, or that another prompt ended."""
NOTHING: Final[Any] = object()
_ORPHANS: Final = 1024
_MOST: Final = 100_000
_STEPS: Final = 8
_MOST_STOPPED: Final = 10_000


class _Family(set[int]):
    """The runs in one that stands alone; whether a model, a tool or a retriever was among them,
    since a prompt named its answer."""

    has_others = False


class Run:
    """A run that has others in it.

    Attributes:
        parent: the run that it is part of; None where that is not known.
        expects: the schema of the next answer in it; ENDED for none whatever stands outside; None
            leaves it to the parent.
        named: the schema of inputs in its metadata, its own or inherited.
        inputs: what came into it, until it is judged; NOTHING if it is not to be.
        held_to: the schema by which its own input was judged, at the border of a graph's node.
        answers: the schema of answers in its own metadata.
        is_answered: whether an answer in it was judged by that.
        is_node: whether it is a node of a graph.
        state: what came into a node, if what comes out is judged.
        kept: what its last node, or task, left to be answered: after an interrupt that one does
            not run again.
        is_paused: whether an interrupt ended it.
        thread: of what may be a graph with checkpoints, the thread's id and its own name.
        step: of a graph, which step its last node was.
        since: of a graph that resumes, the step at which another run stopped.
        given: what its steps gave while an answer was expected and no model was seen.
    """

    # Most runs are as the class is: to make one is on the way of every call.
    expects: str | None = None
    then: str | None = None
    named: str | None = None
    inputs: Any = NOTHING
    held_to: str | None = None
    answers: str | None = None
    given: tuple[Any, ...] = ()
    state: Any = None
    kept: str | None = None
    thread: tuple[str, str | None] | None = None
    step = since = 0
    called_tools = is_answered = is_paused = False
    is_each = is_graph = is_apart = is_beside = is_node = is_task = False

    def __init__(self, parent: Run | None, tags: Sequence[str] | None = None) -> None:
        self.parent = parent
        self.family: _Family = _Family() if parent is None else parent.family
        if tags:
            self._place(tags)

    def _place(self, tags: Sequence[str]) -> None:
        for tag in tags:
            if tag.startswith("map:key:"):
                self.is_beside = True
            elif tag.startswith("graph:step:"):
                self.is_node = True
                if self.parent is not None:
                    self.parent.is_graph = True
            elif tag.startswith("condition:"):  # what decides which way to go answers nothing
                self.is_apart, self.expects = True, ENDED

    def expect(self, reference: str, *, beside: bool) -> None:
        """From now on: a schema, or ENDED. What stands beside others holds once all are over."""
        self.given = ()
        if not beside and not self.is_each:
            self.expects = reference
        elif reference or not self.then:
            self.then = reference

    def expected(self) -> str | None:
        """The schema of the next answer here; None if none is expected."""
        run: Run | None = self
        while run is not None:
            if run.expects is not None:
                return run.expects or None
            run = run.parent
        return None

    def gave(self, outputs: Any) -> None:
        """Note what a step in it gave: it may be the answer of a model that nobody sees."""
        run: Run | None = self
        while run is not None and run.expects is None:
            run = run.parent
        if run is not None and run.expects and not run.family.has_others:
            run.given = (*run.given[: _STEPS - 1], outputs)

    def over(self) -> str | None:
        """Leave to the run around it what it expected in vain, or that it had its answer.

        Returns that, also where nothing is around it.
        """
        left = self.expects if self.then is None else self.then
        forgotten = self.is_node and self.called_tools and bool(left)
        if left is not None and self.parent is not None and not (self.is_apart or forgotten):
            self.parent.expect(left, beside=self.is_beside)
            self.parent.given = self.given
            if self.is_node or self.is_task:
                self.parent.kept = left
        if self.is_graph and left:  # what it gave is a state, and no answer
            self.family.has_others = True
        if self.is_paused and self.parent is not None:
            self.parent.is_paused = True
        return left

    def pause(self) -> None:
        """An interrupt ended it: what it did itself it does again, and what its nodes did not."""
        if self.parent is not None:
            self.parent.is_paused = True
            if self.kept is not None:
                self.parent.kept = self.kept

    def reach(self, step: int) -> None:
        """A node of it starts. One before the step at which another run stopped is another way."""
        if step < self.since:
            self.expects = None
        self.step, self.since = step, 0

    def outwards(self) -> Iterator[Run]:
        """Itself, the run that it is part of, and so on."""
        run: Run | None = self
        while run is not None:
            yield run
            run = run.parent

    def was_held_to(self, reference: str) -> bool:
        """Whether a node around this judged its input by this schema already."""
        return any(run.held_to == reference for run in self.outwards())


class Asked:
    """A model's run, or a retriever's, with the schema of what it gives.

    Attributes:
        by_asker: the schema by which who asks, and asks again, judges the answer.
    """

    __slots__ = ("_beside", "by_asker", "is_expected", "is_structured", "reference", "run")

    def __init__(
        self,
        reference: str,
        run: Run | None = None,
        *,
        beside: bool = False,
        is_expected: bool = False,
        is_structured: bool = False,
        by_asker: str | None = None,
    ) -> None:
        self.reference = reference
        self.is_expected = is_expected
        self.is_structured = is_structured
        self.by_asker = by_asker
        self.run = run
        self._beside = beside

    def answered(self) -> None:
        """The answer was let through: nothing more is expected, and its node's schema was used."""
        if self.run is not None and self.is_expected:
            self.run.expect(ENDED, beside=self._beside)
        for run in self.run.outwards() if self.run is not None else ():
            if run.answers == self.reference:
                run.is_answered = True

    def called_tools(self) -> None:
        """The model went on its way to the answer: who runs the tools will ask it again."""
        for run in self.run.outwards() if self.run is not None else ():
            run.called_tools = True


class Runs:
    """Runs by their ids. Dict operations are atomic; a lock would break copies of chains.

    Keys are the numbers of the ids: the hash of a UUID is two calls more.
    """

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._asked: dict[int, Asked] = {}
        self._orphans: dict[int, Run] = {}
        self._stopped: dict[tuple[str, str | None], tuple[str, int]] = {}

    def open(
        self,
        run_id: UUID,
        parent: UUID | None,
        tags: Sequence[str] | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Run:
        around = None if parent is None else self._runs.get(parent.int)
        run = self._runs[run_id.int] = Run(around, tags)
        if around is None:
            if len(self._runs) > _MOST:
                self._runs.pop(next(iter(self._runs)), None)
        else:
            run.family.add(run_id.int)
        if name is not None and name.startswith("RunnableEach<"):
            run.is_each = True
        if metadata:
            run.named = metadata.get(INPUT)
            run.is_task = name is not None and name == _task_of(metadata)
            if "langgraph_node" not in metadata:
                run.thread = _thread_of(metadata, name)
            elif run.is_node and run.parent is not None:
                run.parent.reach(metadata.get("langgraph_step", 0))
            answers = metadata.get(OUTPUT)
            outer = () if around is None else around.outwards()
            if answers and all(each.answers != answers for each in outer):
                run.answers = answers
        return run

    def open_apart(self, run_id: UUID, parent: UUID | None) -> Run:
        """A tool or a retriever: models in it answer somebody else."""
        run = self.open(run_id, parent)
        run.is_apart, run.expects = True, ENDED
        run.family.has_others = True
        return run

    def stop(self, run: Run, expected: str | None) -> None:
        """Note what is expected when a run of a graph ends, for the run that resumes its thread."""
        if run.thread is None or not run.is_graph:
            return
        self._stopped.pop(run.thread, None)
        if expected:
            self._stopped[run.thread] = expected, run.step
            if len(self._stopped) > _MOST_STOPPED:
                self._stopped.pop(next(iter(self._stopped)), None)

    def resume(self, run: Run) -> None:
        """Expect of a run what the one expected that it resumes, if that was in this process."""
        found = None if run.thread is None else self._stopped.get(run.thread)
        if found is not None:
            run.expects, run.since = found

    def restart(self, run: Run) -> None:
        """A run begins its thread anew: nobody will resume the one before it."""
        if run.thread is not None:
            self._stopped.pop(run.thread, None)

    def get(self, run_id: UUID | None) -> Run | None:
        return None if run_id is None else self._runs.get(run_id.int)

    def close(self, run_id: UUID) -> Run | None:
        run = self._runs.pop(run_id.int, None)
        if run is not None:
            run.family.discard(run_id.int)
            if run.parent is None and run.family:  # of batches that fail no end is told, nor of
                for left in tuple(run.family):  # what is cancelled
                    self._runs.pop(left, None)
                    self._asked.pop(left, None)
        return run

    def around(self, parent: UUID | None) -> Run | None:
        """The run that an event is part of. One whose start was not seen has a place as well."""
        if parent is None:
            return None
        found = self._runs.get(parent.int) or self._orphans.get(parent.int)
        if found is None:
            found = self._orphans[parent.int] = Run(None)
            if len(self._orphans) > _ORPHANS:
                self._orphans.pop(next(iter(self._orphans)), None)
        return found

    def ask(self, run_id: UUID, asked: Asked) -> None:
        self._asked[run_id.int] = asked
        if asked.run is not None:
            asked.run.family.add(run_id.int)
        if len(self._asked) > _MOST:
            self._asked.pop(next(iter(self._asked)), None)

    def asked(self, run_id: UUID) -> Asked | None:
        asked = self._asked.pop(run_id.int, None)
        if asked is not None and asked.run is not None:
            asked.run.family.discard(run_id.int)
        return asked

    def __len__(self) -> int:
        return len(self._runs) + len(self._asked)


def _thread_of(metadata: Mapping[str, Any], name: str | None) -> tuple[str, str | None] | None:
    thread = metadata.get("thread_id")
    return None if thread is None else (str(thread), name)


def _task_of(metadata: Mapping[str, Any]) -> str | None:
    """The name of the functional API's task that a run is, or is within; None for none."""
    path = metadata.get("langgraph_path")
    is_called = isinstance(path, tuple) and path[-1] is True
    return metadata.get("langgraph_node") if is_called else None


def stands_beside(tags: Sequence[str] | None) -> bool:
    """Whether a run is one of several to which a parallel step gives the same input."""
    for tag in tags or ():  # noqa: SIM110 - any() costs as much as all else here
        if tag.startswith("map:key:"):
            return True
    return False


def decides(tags: Sequence[str] | None) -> bool:
    """Whether a run is a branch's condition, which answers nobody."""
    return any(tag.startswith("condition:") for tag in tags or ())
