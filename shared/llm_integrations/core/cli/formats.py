"""What is wrong with data, in the forms that other programs read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from xml.etree import ElementTree as ET

import typer

from llm_integrations.core import __version__

__all__ = ["FORMATS", "Finding", "OutputFormat"]

OutputFormat = Annotated[
    Literal["text", "json", "github", "junit", "sarif"],
    typer.Option("--format", help="github: annotations of a workflow; junit and sarif: reports."),
]

_PLACE: Final = re.compile(r"(?P<file>.+?)(?::(?P<line>\d+)|\[\d+\]|: row \d+)?")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        where: the record, as ``rows.jsonl:7``.
        path: the place in it, as a JSON Pointer.
        message: what is wrong there.
        rule: by what, as ``user-profile@2``.
    """

    where: str
    path: str
    message: str
    rule: str

    @property
    def text(self) -> str:
        return f"{self.path or '(root)'}: {self.message}"

    @property
    def file(self) -> str:
        return self._place["file"]

    @property
    def line(self) -> int:
        """1 where a record is no line."""
        return int(self._place["line"] or 1)

    @property
    def _place(self) -> re.Match[str]:
        found = _PLACE.fullmatch(self.where)
        assert found is not None  # noqa: S101 - the pattern takes any text
        return found


def github(findings: Sequence[Finding], seen: int) -> str:  # noqa: ARG001 - as the other forms
    """Workflow commands, which GitHub shows at the lines of a pull request."""
    return "\n".join(
        f"::error file={_escaped(f.file, also=',:')},line={f.line},"
        f"title={_escaped(f.rule, also=',:')}::{_escaped(f'{f.where} {f.text}')}"
        for f in findings
    )


def _escaped(text: str, also: str = "") -> str:
    for character in "%\r\n" + also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def junit(findings: Sequence[Finding], seen: int) -> str:
    """A test suite with a case for each record that fails, as CI servers show it."""
    by_record: dict[str, list[Finding]] = {}
    for finding in findings:
        by_record.setdefault(finding.where, []).append(finding)
    suite = ET.Element(
        "testsuite", name="llm-integrations", tests=str(seen), failures=str(len(by_record))
    )
    for where, found in by_record.items():
        case = ET.SubElement(suite, "testcase", name=where, classname=found[0].rule)
        failure = ET.SubElement(case, "failure", message=_printable(found[0].text))
        failure.text = _printable("\n".join(one.text for one in found))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


def _printable(text: str) -> str:
    """XML has no control characters."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def sarif(findings: Sequence[Finding], seen: int) -> str:  # noqa: ARG001 - as the other forms
    """SARIF 2.1.0, as code scanning reads it."""
    driver: dict[str, Any] = {
        "name": "llm-integrations",
        "version": __version__,
        "rules": [{"id": rule} for rule in dict.fromkeys(f.rule for f in findings)],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(f) for f in findings]}],
    }
    return json.dumps(log, indent=2)


def _result(finding: Finding) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": finding.file},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule,
        "level": "error",
        "message": {"text": finding.text},
        "locations": [{"physicalLocation": place}],
    }


FORMATS: Final[Mapping[str, Callable[[Sequence[Finding], int], str]]] = {
    "github": github,
    "junit": junit,
    "sarif": sarif,
}
