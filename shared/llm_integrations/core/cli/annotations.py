"""Findings about schemas for machines that show them: GitHub's annotations, JUnit's XML, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from xml.etree import ElementTree as ET

import typer

if TYPE_CHECKING:
    from llm_integrations.core.evolution import Change, CompatibilityReport

__all__ = [
    "Finding",
    "OutputFormat",
    "findings_of_changes",
    "findings_of_report",
    "format_of",
    "printed",
]

OutputFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="text, json, github (annotations of a workflow's log) or junit (XML).",
        show_default=False,
    ),
]
_FORMATS: Final = ("text", "json", "github", "junit")
_NO_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEVELS: Final = {"breaking": "error", "undecided": "error", "harmless": "notice"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes:
        path: where in the schema.
        text: what was found.
        kind: whether it breaks somebody, may do so, or does not.
    """

    path: str
    text: str
    kind: Literal["breaking", "undecided", "harmless"]


def format_of(name: str | None, as_json: bool) -> str:
    """The format that was asked for; ``--json`` is one way to ask."""
    if name is None:
        return "json" if as_json else "text"
    if name not in _FORMATS:
        raise typer.BadParameter(
            f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}, not {name!r}", param_hint="--format"
        )
    return name


def findings_of_changes(changes: Iterable[Change]) -> list[Finding]:
    """Each change, and whom it breaks."""
    from llm_integrations.core.evolution.text.wording import describe
    from llm_integrations.core.evolution.verdict.difference import broken_readers

    found = []
    for change in changes:
        whom = broken_readers(change)
        text = describe(change) + (f" (breaks {whom})" if whom else "")
        found.append(Finding(change.path, text, "breaking" if whom else "harmless"))
    return found


def findings_of_report(report: CompatibilityReport) -> list[Finding]:
    """Each violation with its witness, what is undecided, and the other breaking changes."""
    from llm_integrations.core.evolution.text.wording import describe

    found = [Finding(item.path, str(item), "breaking") for item in report.violations]
    found += [Finding(item.path, str(item), "undecided") for item in report.unknown]
    named = {c.path for item in report.violations for c in item.changes}
    named |= {c.path for item in report.unknown for c in item.changes}
    others = (change for change in report.breaking if change.path not in named)
    return found + [Finding(change.path, describe(change), "breaking") for change in others]


def printed(kind: str, title: str, file: str, findings: Sequence[Finding], data: Any) -> str:
    """The findings in a format other than text; a reference to the registry is no file.

    Args:
        kind: json, github or junit.
        title: what was done, as ``diff``.
        file: the file that the findings are about; may be empty.
        data: what JSON prints.
    """
    file = file if Path(file).is_file() else ""
    if kind == "github":
        return "\n".join(_annotation(title, file, finding) for finding in findings)
    if kind == "junit":
        return _junit(title, file, findings)
    return json.dumps(data, indent=2, default=str)


def _annotation(title: str, file: str, finding: Finding) -> str:
    place = f"file={_escaped(file, ':,')}," if file else ""
    head = f"{title} {finding.path or '(root)'}"
    return (
        f"::{_LEVELS[finding.kind]} {place}title={_escaped(head, ':,')}::{_escaped(finding.text)}"
    )


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)


def _junit(title: str, file: str, findings: Sequence[Finding]) -> str:
    failures = [finding for finding in findings if finding.kind != "harmless"]
    suite = ET.Element(
        "testsuite", name=title, tests=str(max(len(findings), 1)), failures=str(len(failures))
    )
    for finding in findings or [Finding("", "nothing was found", "harmless")]:
        name = _xml(f"{finding.path or '(root)'}: {finding.text}")
        case = ET.SubElement(suite, "testcase", classname=_xml(file or title), name=name)
        if finding.kind != "harmless":
            ET.SubElement(case, "failure", message=_xml(finding.text), type=finding.kind)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode")


def _xml(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
