"""The guide as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.guide.contents import Example, GuideContents
from llm_integrations.core.evolution.guide.rows import GuideRow, guide_rows
from llm_integrations.core.evolution.model.kinds import ChangeKind, Direction
from llm_integrations.core.evolution.text.wording import describe, fence_around, quote
from llm_integrations.core.evolution.verdict.report import Incompatibility, Undecided

__all__ = ["summary", "to_markdown"]

_MOST_REFUSED: Final = 6
_MOST_PLACES: Final = 4
_LONGEST_WITNESS: Final = 240
_LONGEST_LINE: Final = 500
_MOST_LINES: Final = 200

_NOT_COMPARED: Final = "Not compared, and so taken as breaking for both."
_ORDER: Final = {
    (False, True): "Move the readers first, then the writers.",
    (True, False): "Migrate old data and move the writers, then the readers.",
    (True, True): (
        "Old data has to be migrated, and readers and writers have to move together, unless the "
        "readers understand both versions for a while."
    ),
}


def summary(guide: GuideContents) -> str:
    """Whether it breaks anything, and for whom, in one line."""
    if not guide.actions:
        return _NOT_COMPARED if guide.unknown else "Nothing changed."
    if not guide.is_breaking:
        return "Not breaking: new readers get along with old data, old readers with new data."
    if guide.breaks_readers and guide.breaks_writers:
        return "Breaking for both: new readers refuse old data, and old readers refuse new data."
    if guide.breaks_readers:
        return "Breaking for new readers, which refuse some old data. Old readers are fine."
    return "Breaking for old readers, which refuse some new data. New readers are fine."


def to_markdown(guide: GuideContents) -> str:
    """The whole guide; every text that comes from a schema is quoted."""
    blocks = [f"# {_title(guide)}", f"**{summary(guide)}**"]
    if guide.is_breaking:
        blocks.append(_ORDER[guide.breaks_readers, guide.breaks_writers])
    blocks += [block for section in _SECTIONS for block in section(guide)]
    return "\n\n".join(blocks) + "\n"


def _title(guide: GuideContents) -> str:
    if not guide.old and not guide.new:
        return "Migration guide"
    return f"Migrating from {quote(guide.old or 'old')} to {quote(guide.new or 'new')}"


def _changes(guide: GuideContents) -> Iterator[str]:
    rows = guide_rows(guide.actions)
    if rows:
        yield "## What changed"
        head = ["| Change | Where | Breaks | What to do |", "|---|---|---|---|"]
        yield "\n".join(head + [_row(row) for row in rows])
    notes = [a.change for a in guide.actions if a.change.is_documentation]
    if notes:
        yield f"Without any effect on data: {_notes(notes)}."
    if guide.policy == "lenient" and rows:
        yield (
            "This assumes that objects for which properties are declared hold no others (the "
            "lenient policy). Others could clash with properties that are new."
        )


def _row(row: GuideRow) -> str:
    readers = {"new readers": row.breaks_backward, "old readers": row.breaks_forward}
    whom = ", ".join(name for name, breaks in readers.items() if breaks) or "nobody"
    text = row.text[:1].upper() + row.text[1:]
    cells = text, _places(list(row.paths)), whom, row.advice
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _places(paths: Sequence[str]) -> str:
    shown = [quote(path or "(root)") for path in paths[:_MOST_PLACES]]
    more = f" and {len(paths) - _MOST_PLACES} more" if len(paths) > _MOST_PLACES else ""
    return ", ".join(shown) + more


def _notes(changes: Sequence[Change]) -> str:
    """The changes that only describe, counted by what they are."""
    names = sorted(_note(change) for change in changes)
    counted = [(name, len(list(group))) for name, group in groupby(names)]
    return ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in counted)


def _note(change: Change) -> str:
    if change.kind is ChangeKind.DOCUMENTATION:
        return f"{quote(change.keyword)} changed"
    return describe(change)


def _refused(guide: GuideContents) -> Iterator[str]:
    if guide.violations or guide.unknown:
        yield "## Data that is refused"
    for direction, whom in (("backward", "New readers refuse"), ("forward", "Old readers refuse")):
        lines = _witnesses(guide.violations, direction)
        if lines:
            yield "\n".join([f"{whom}, for example:", "", *lines])
    undecided = guide.unknown[:_MOST_REFUSED]
    if undecided:
        lines = [f"- {_undecided_places(item)}: {item.reason}" for item in undecided]
        yield "\n".join(["Not decided, and so taken as breaking:", "", *lines])
    if guide.notes:
        yield f"Not looked at: {'; '.join(guide.notes)}."


def _undecided_places(item: Undecided) -> str:
    paths = list(dict.fromkeys(change.path for change in item.changes)) or [item.path]
    whom = "new readers" if item.direction == "backward" else "old readers"
    return f"{_places(paths)} ({whom})"


def _witnesses(violations: Sequence[Incompatibility], direction: Direction | str) -> list[str]:
    """Each piece of data once, with all the places that it is an example for."""
    places: dict[str, dict[str, None]] = {}
    for item in violations:
        if item.direction == direction:
            places.setdefault(_inline(item.witness), {})[item.path] = None
    lines = [f"- {text} ({_places(list(paths))})" for text, paths in places.items()]
    hidden = len(lines) - _MOST_REFUSED
    return lines[:_MOST_REFUSED] + ([f"- and {hidden} more"] if hidden > 0 else [])


def _inline(value: Any) -> str:
    text = _cut(json.dumps(value), _LONGEST_WITNESS)
    fence = fence_around(text)
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def _example(guide: GuideContents) -> Iterator[str]:
    example = guide.example
    if example is None:
        return
    unchanged = example.before == example.after
    yield "## Example"
    yield "Valid before and after:" if unchanged else "Valid before:"
    yield _code("json", _pretty(example.before))
    if not unchanged:
        yield _after(guide, example)
        yield _code("json", _pretty(example.after))


def _after(guide: GuideContents, example: Example) -> str:
    if example.migrated:
        return "What `migrate()` makes of it, valid after:"
    if guide.decisions:
        return "Valid after, once the decisions below are made (the values are examples):"
    return "Valid after (the values are examples):"


def _pretty(value: Any) -> str:
    """An example for people: its first lines, and how many more there are."""
    lines = json.dumps(value, indent=2).splitlines()
    shown = [_cut(line, _LONGEST_LINE) for line in lines[:_MOST_LINES]]
    hidden = len(lines) - _MOST_LINES
    return "\n".join([*shown, f"… and {hidden} more lines"] if hidden > 0 else shown)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… and {len(text) - most} more characters"


def _code(language: str, text: str) -> str:
    fence = fence_around(text, "```")
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _program(guide: GuideContents) -> Iterator[str]:
    if guide.migrate:
        yield "## Migrating old data"
        rest = " It leaves what has to be decided first." if guide.decisions else ""
        yield f"A draft of what a program can do; read it before you run it.{rest}"
        yield _code("python", guide.migrate)


def _decisions(guide: GuideContents) -> Iterator[str]:
    if guide.decisions:
        yield "## To be decided by people"
        yield "\n".join(f"- {decision}" for decision in guide.decisions)


_SECTIONS: Final = (_changes, _refused, _example, _program, _decisions)
