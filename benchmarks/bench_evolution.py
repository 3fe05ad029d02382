"""What judging and explaining a new version costs, beside jsonsubschema on the same pairs."""

from __future__ import annotations

import copy
import importlib.util
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, Section, median_seconds
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema, LLMIntegrationsError
from llm_integrations.core.evolution import check_compatibility, diff, migration_guide

PROPERTIES = 50
CHECK_AIM = 5e-3
GUIDE_AIM = 50e-3
REAL_AIM = 10.0
REAL_SIZES = range(7_000, 600_000)
BOUNDED = ValidationOptions(regex="bounded")

Schema = dict[str, Any]


def run() -> list[Section]:
    return [_compatibility(), _guides(), *_real_schemas()]


def _property(index: int) -> Schema:
    kinds: list[Schema] = [
        {"type": "string", "maxLength": index + 10},
        {"type": "integer", "minimum": index},
        {"enum": ["a", "b", f"v{index}"]},
        {"type": "array", "items": {"type": "number"}, "maxItems": index + 3},
        {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
    ]
    return kinds[index % len(kinds)]


def _schema() -> Schema:
    return {
        "type": "object",
        "properties": {f"p{i}": _property(i) for i in range(PROPERTIES)},
        "required": [f"p{i}" for i in range(0, PROPERTIES, 2)],
        "additionalProperties": False,
    }


def _edited(edit: Callable[[Schema], object]) -> Schema:
    made = copy.deepcopy(_schema())
    edit(made)
    return made


PAIRS: dict[str, Schema] = {
    "a text may be longer": _edited(lambda s: s["properties"]["p0"].update(maxLength=50)),
    "a text must be shorter": _edited(lambda s: s["properties"]["p0"].update(maxLength=5)),
    "an optional property more": _edited(lambda s: s["properties"].update(new={"type": "string"})),
    "a property less": _edited(lambda s: s["properties"].pop("p1")),
    "one more is required": _edited(lambda s: s["required"].append("p1")),
    "a value more": _edited(lambda s: s["properties"]["p2"]["enum"].append("z")),
    "a type narrowed inside": _edited(
        lambda s: s["properties"]["p4"]["properties"]["x"].update(type="integer")
    ),
    "items of another type": _edited(
        lambda s: s["properties"]["p3"].update(items={"type": "null"})
    ),
    "opened": _edited(lambda s: s.pop("additionalProperties")),
    "ten bounds tightened": _edited(
        lambda s: [p.update(maxLength=3) for p in s["properties"].values() if "maxLength" in p]
    ),
}


def _compatibility() -> Section:
    section = Section(
        "Compatibility of schemas",
        f"BACKWARD and strict, two schemas of {PROPERTIES} properties and one edit each. Ours says "
        "no with an instance that shows it; jsonsubschema 0.0.8 gives a verdict only.",
    )
    old = _schema()
    ours, theirs = [], []
    for name, new in PAIRS.items():
        mine = median_seconds(lambda new=new: check_compatibility(new, [old]))  # type: ignore[misc]
        peer = _peer(old, new)
        verdict = "yes" if check_compatibility(new, [old]) else "no"
        section.add(_row(f"{name} ({verdict})", mine, peer, None))
        ours.append(mine)
        theirs += [] if peer is None else [peer]
    peer = statistics.median(theirs) if theirs else None
    section.add(_row("median of these pairs", statistics.median(ours), peer, CHECK_AIM))
    return section


def _peer(old: Schema, new: Schema) -> float | None:
    """The peer's seconds; None where it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from jsonsubschema import isSubschema

            return median_seconds(lambda: isSubschema(old, new), number=1, repeats=3)
        except Exception:
            return None


def _row(what: str, ours: float, peer: float | None, aim: float | None) -> Row:
    return Row(
        what,
        f"{ours * 1e3:.2f} ms",
        "fails" if peer is None else f"jsonsubschema {peer * 1e3:.0f} ms",
        "" if peer is None else f"{peer / ours:.0f}×",
        "" if aim is None else f"under {aim * 1e3:.0f} ms",
        None if aim is None else ours < aim,
    )


def _guides() -> Section:
    section = Section(
        "Diffs and migration guides",
        f"The same pairs of {PROPERTIES} properties; no peer writes one. The guide is Markdown "
        "with examples and a draft of code.",
    )
    old = _schema()
    diffs = [median_seconds(lambda n=n: diff(old, n)) for n in PAIRS.values()]  # type: ignore[misc]
    guides = [
        median_seconds(lambda n=n: migration_guide(old, n).to_markdown())  # type: ignore[misc]
        for n in PAIRS.values()
    ]
    section.add(Row("diff, median", f"{statistics.median(diffs) * 1e3:.2f} ms"))
    median, worst = statistics.median(guides), max(guides)
    aim = f"under {GUIDE_AIM * 1e3:.0f} ms"
    section.add(Row("guide, median", f"{median * 1e3:.1f} ms", aim=aim, met=median < GUIDE_AIM))
    section.add(Row("guide, slowest pair", f"{worst * 1e3:.1f} ms", aim=aim, met=worst < GUIDE_AIM))
    return section


def _real_schemas() -> list[Section]:
    """Schemas that check-jsonschema vendors, where it is installed."""
    found = importlib.util.find_spec("check_jsonschema")
    if found is None or found.origin is None:
        return []
    section = Section(
        "Large schemas of other people",
        "Each schema of 7 to 582 KB that check-jsonschema vendors and its text bounded in one "
        "place: FULL and lenient, with the guide; seconds of processor time.",
    )
    answered, seconds, raised = 0, [], 0
    for file in sorted((Path(found.origin).parent / "builtin_schemas" / "vendor").glob("*.json")):
        if file.stat().st_size not in REAL_SIZES:
            continue
        old = json.loads(file.read_text(encoding="utf-8"))
        new = copy.deepcopy(old)
        next(_texts(new), {})["maxLength"] = 3
        start = time.process_time()
        try:
            check_compatibility(new, [old], "FULL", "lenient", options=BOUNDED)
            migration_guide(old, new, options=BOUNDED)
            answered += 1
            seconds.append(time.process_time() - start)
        except InvalidSchema:
            continue  # it refers to what only the network has
        except LLMIntegrationsError:
            raised += 1
    section.add(Row("answered, of those that compile", f"{answered} of {answered + raised}"))
    aim, slowest = f"under {REAL_AIM:.0f} s", max(seconds, default=0.0)
    section.add(Row("slowest pair", f"{slowest:.1f} s", aim=aim, met=slowest < REAL_AIM))
    return [section]


def _texts(schema: Any) -> Iterator[Schema]:
    """The places of a schema that describe a text."""
    if isinstance(schema, dict):
        if schema.get("type") == "string" and "enum" not in schema:
            yield schema
        for part in schema.values():
            yield from _texts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _texts(part)
