"""The page and the Markdown of a run: whole, escaped, and without data unless it is asked for."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from llm_integrations.core.registry import Registry
from llm_integrations.datasets import DatasetReport, validate_dataset
from llm_integrations.datasets.result import DatasetResult
from tests.support.training_rows import registry, small_blocks

__all__ = ["registry", "small_blocks"]

VOID = {"meta", "br", "link", "img"}
SECRET = "<b>secret</b>|`x`"


class Page(HTMLParser):
    """Attributes: the tags with their attributes, the text, and the tags that were never closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.still_open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.still_open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.still_open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.fixture
def result(registry: Registry, tmp_path: Path) -> DatasetResult:
    part = Dataset.from_dict({"n": [1, -1, -2, 3], "text": ["a", SECRET, "c", "d"]})
    splits = DatasetDict({"train": part, "a<b>|c": part.select([0])})
    return validate_dataset(splits, "row@1", registry=registry, quarantine=tmp_path / "bad")


def test_the_page_is_whole_and_loads_nothing(result: DatasetResult) -> None:
    page = Page(result.report.to_html())
    assert page.still_open == []
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "b"})
    assert not [attrs for _, attrs in page.tags if attrs.keys() & {"src", "href", "onclick"}]
    policies = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    style = " ".join(page.said)
    assert "prefers-color-scheme:dark" in style
    assert "url(" not in style
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in (
        page.tags
    )


def test_the_page_tells_counts_reasons_shares_parts_and_where(result: DatasetResult) -> None:
    text = Page(result.report.to_html()).text
    for told in ("rows 5", "valid 3", "invalid 2", "share invalid 40.00%", "minimum at /n"):
        assert told in text
    assert "train 4 2 50.00%" in text
    assert "a<b>|c 1 0 0.00%" in text
    assert "train #1 /n: is less than the minimum 0" in text
    assert "null taken as absent" in text


def test_data_is_shown_where_it_is_asked_for_and_nowhere_else(result: DatasetResult) -> None:
    report = result.report
    assert "secret" not in report.to_html() + report.to_markdown(samples=3)
    assert SECRET in Page(report.to_html(show_values=True)).text
    assert "secret" not in report.to_html(samples=0, show_values=True)
    assert "secret" in report.to_markdown(samples=3, show_values=True)
    assert Page(report.to_html(samples=1)).text.count("train #") == 1


def test_markdown_is_a_section_for_the_card_whose_tables_hold(result: DatasetResult) -> None:
    text = result.report.to_markdown(samples=2, show_values=True)
    assert text.startswith("## Validation\n\n3 of 5 rows satisfy `row@1`; 2 (40.00%) do not.")
    assert "| `minimum at /n` | 2 | 40.00% |" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in rows}
    assert widths == {4, 5}


def test_a_report_without_rows_or_of_valid_ones_is_a_page_too(registry: Registry) -> None:
    empty = DatasetReport("row@1", "f" * 64)
    assert "share invalid –" in Page(empty.to_html()).text
    good = validate_dataset(Dataset.from_dict({"n": [1]}), "row@1", registry=registry).report
    page = Page(good.to_html())
    assert "Reasons" not in page.text
    assert "row@1: valid" in page.text


def test_many_reasons_are_counted_and_not_all_listed() -> None:
    many = Counter({f"minimum at /{number}": 1 for number in range(500)})
    report = DatasetReport("row@1", "f" * 64, total=1000, invalid=500, reasons=many)
    assert "… and 300 more reasons" in Page(report.to_html()).text
    assert "… and 450 more" in report.to_markdown()


def test_a_report_travels_and_still_finds_its_samples(result: DatasetResult) -> None:
    again = pickle.loads(pickle.dumps(result.report))
    assert again.to_html() == result.report.to_html()
