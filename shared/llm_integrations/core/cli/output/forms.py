"""Findings for machines that show them: GitHub's annotations, JUnit's XML, SARIF, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from xml.etree import ElementTree as ET

import typer

from llm_integrations.core import __version__
from llm_integrations.core.cli.output.findings import Finding

__all__ = ["OutputFormat", "format_of", "printed"]

OutputFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="text, json, github (annotations of a workflow's log), junit (XML) or sarif.",
        show_default=False,
    ),
]
_FORMATS: Final = ("text", "json", "github", "junit", "sarif")
_NO_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEVELS: Final = {"breaking": "error", "undecided": "error", "harmless": "notice"}
_SARIF_LEVELS: Final = {"breaking": "error", "undecided": "warning", "harmless": "note"}


def format_of(name: str | None, as_json: bool) -> str:
    """The format that was asked for; ``--json`` is one way to ask."""
    if name is None:
        return "json" if as_json else "text"
    if name not in _FORMATS:
        raise typer.BadParameter(
            f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}, not {name!r}", param_hint="--format"
        )
    return name


def printed(
    kind: str, title: str, file: str, findings: Sequence[Finding], data: Any, *, seen: int = 0
) -> str:
    """The findings in a format other than text; a reference to the registry is no file.

    Args:
        kind: json, github, junit or sarif.
        title: what was done, as ``diff``, or what judged, as ``user-profile@2``.
        file: the file that findings without one of their own are about; may be empty.
        data: what JSON prints.
        seen: how many records were looked at, where findings are about records.
    """
    file = file if file and Path(file).is_file() else ""
    if kind == "github":
        return "\n".join(_annotation(title, file, finding) for finding in findings)
    if kind == "junit":
        return _junit(title, file, findings, seen)
    if kind == "sarif":
        return _sarif(title, file, findings)
    return json.dumps(data, indent=2, default=str)


def _annotation(title: str, file: str, finding: Finding) -> str:
    """A record is named by its line; a place in a schema by its pointer."""
    place, head, text = "", f"{title} {finding.path or '(root)'}", finding.text
    if finding.where:
        place = f"file={_escaped(finding.file, ':,')},line={finding.line},"
        head, text = title, f"{finding.where} {_text(finding)}"
    elif file:
        place = f"file={_escaped(file, ':,')},"
    return f"::{_LEVELS[finding.kind]} {place}title={_escaped(head, ':,')}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)


def _text(finding: Finding) -> str:
    return f"{finding.path or '(root)'}: {finding.text}"


def _junit(title: str, file: str, findings: Sequence[Finding], seen: int) -> str:
    """A case for each finding; of records one for each that is not as it should be."""
    failures = [finding for finding in findings if finding.kind != "harmless"]
    by_case: dict[str, list[Finding]] = {}
    for finding in findings:
        by_case.setdefault(finding.where or _text(finding), []).append(finding)
    failed = {one.where or _text(one) for one in failures}
    suite = ET.Element(
        "testsuite",
        name=_xml(title),
        tests=str(max(seen, len(by_case), 1)),
        failures=str(len(failed)),
    )
    for name, found in by_case.items() or [("(root): nothing was found", [])]:
        case = ET.SubElement(suite, "testcase", classname=_xml(file or title), name=_xml(name))
        _add_failure(case, [one for one in found if one.kind != "harmless"])
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode")


def _add_failure(case: ET.Element, found: Sequence[Finding]) -> None:
    if not found:
        return
    first = found[0]
    message = _text(first) if first.where else first.text
    failure = ET.SubElement(case, "failure", message=_xml(message), type=first.kind)
    if len(found) > 1:
        failure.text = _xml("\n".join(map(_text, found)))


def _xml(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _sarif(title: str, file: str, findings: Iterable[Finding]) -> str:
    """SARIF 2.1.0, as code scanning reads it."""
    driver = {"name": "llm-integrations", "version": __version__, "rules": [{"id": title}]}
    results = [_result(title, file, finding) for finding in findings]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=2)


def _result(title: str, file: str, finding: Finding) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": title,
        "level": _SARIF_LEVELS[finding.kind],
        "message": {"text": _text(finding)},
    }
    if finding.file or file:
        place = {
            "artifactLocation": {"uri": finding.file or file},
            "region": {"startLine": finding.line},
        }
        result["locations"] = [{"physicalLocation": place}]
    return result
