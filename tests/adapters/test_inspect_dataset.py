"""inspect_ai's datasets: what is left out moves nothing else, and files are read as elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inspect_ai.dataset import MemoryDataset, Sample, csv_dataset, json_dataset

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.datasets import validate_dataset
from llm_integrations.inspect_ai import validated_dataset

CASE = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "minLength": 3},
        "target": {"type": "string"},
        "level": {"type": "integer", "maximum": 9},
        "note": {"type": "string"},
    },
    "required": ["input", "target"],
}


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("case", CASE)
        client.register("any", {})
        yield client


def aside(source: Any, registry: Registry, **kwargs: Any) -> Any:
    return validated_dataset(source, "case@1", registry=registry, on_invalid="set_aside", **kwargs)


def record(number: int, *, good: bool = True) -> dict[str, Any]:
    text = f"Question {number}?" if good else "?"
    return {"input": text, "target": "AB"[number % 2], "choices": ["x", "y", "z", str(number)]}


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_what_is_left_out_moves_nothing_else(
    registry: Registry, tmp_path: Path, data: st.DataObject
) -> None:
    good = [True, *data.draw(st.lists(st.booleans(), max_size=7))]
    records = [record(number, good=each) for number, each in enumerate(good)]
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    options: dict[str, Any] = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "shuffle": st.sampled_from([True, 7]),
                "shuffle_choices": st.just(3),
                "limit": st.integers(1, 9),
            },
        )
    )
    if options.get("shuffle") is True:
        options["seed"] = 5
    whole = json_dataset(str(path), auto_id=True, **options)
    expected = [sample for sample in whole if sample.input != "?"]
    for source in (str(path), records):
        if not expected:
            with pytest.raises(InvalidEvaluation):
                aside(source, registry, **options)
            continue
        found = aside(source, registry, **options)
        assert list(found) == expected
        assert found.total == len(whole)
        assert found.invalid == len(whole) - len(expected)


@pytest.mark.parametrize("auto_id", [True, False])
def test_positions_stay_in_a_dataset_too(registry: Registry, auto_id: bool) -> None:
    samples = [Sample(input=text, target="x") for text in ("?", "Why?", "?", "Who?")]
    found = aside(MemoryDataset(samples), registry, auto_id=auto_id)
    assert [(sample.id, sample.input) for sample in found] == [(2, "Why?"), (4, "Who?")]
    assert all(sample.id is None for sample in samples)
    named = [Sample(input="?", id="a"), Sample(input="Who?", target="x", id="b")]
    assert [sample.id for sample in aside(MemoryDataset(named), registry)] == ["b"]


def test_only_what_the_limit_leaves_is_judged(registry: Registry) -> None:
    records = [record(0), record(1), record(2, good=False)]
    found = validated_dataset(records, "case@1", registry=registry, limit=2)
    assert (len(found), found.total, found.invalid) == (2, 2, 0)
    with pytest.raises(InvalidEvaluation, match="record 2"):
        validated_dataset(records, "case@1", registry=registry)


@pytest.mark.parametrize(
    ("source", "option"),
    [
        ([], {"limmit": 2}),
        ([], {"encoding": "utf-8"}),
        (MemoryDataset([]), {"delimiter": ";"}),
        ("cases.jsonl", {"delimiter": ";"}),
        ("cases.csv", {"compact": True}),
    ],
    ids=["misspelt", "records", "dataset", "lines", "csv"],
)
def test_options_that_mean_nothing_are_refused(
    registry: Registry, source: Any, option: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        aside(source, registry, **option)
    with pytest.raises(ConfigurationError, match="limit"):
        aside([record(0)], registry, limit=0)


def test_cells_are_judged_as_validate_dataset_reads_them(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(
        "input,target,level,note\n"
        "Is it 1?,01,3,\n"
        "Is it 2?,02,12,plain\n"
        "Is it 3?,03,many,plain\n"
        '"Is it\u2028 4, or 5?",04,,plain\n'
        "Is it 6?,06\n",
        "utf-8",
    )
    found = aside(str(path), registry, quarantine=tmp_path / "bad")
    table = validate_dataset(path, "case@1", registry=registry, quarantine=tmp_path / "other")
    assert (found.total, found.invalid) == (5, 3)
    assert (table.report.total, table.report.invalid) == (5, 3)
    # A sample is what csv_dataset makes of the texts.
    texts = tmp_path / "whole.csv"
    texts.write_text("\n".join(path.read_text("utf-8").split("\n")[:5]), "utf-8")
    whole = list(csv_dataset(str(texts), auto_id=True))
    assert list(found) == [whole[0], whole[3]]
    assert found[0].target == "01"
    reasons = [set(map(str, r.errors)) for r in Quarantine(tmp_path / "bad").records()]
    assert "the row has 2 cells, the header 4" in str(reasons)


def test_a_broken_line_is_set_aside(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    lines = [json.dumps(record(0)).encode(), b'{"input": "Why', b"[1]", b"\xff\xfe{}"]
    path.write_bytes(b"\n".join([*lines, b"", json.dumps(record(1)).encode()]))
    found = aside(str(path), registry, quarantine=tmp_path / "bad")
    assert [sample.id for sample in found] == [1, 5]
    assert (found.total, found.invalid) == (5, 3)
    assert Quarantine(tmp_path / "bad").count() == 3
    with pytest.raises(InvalidEvaluation, match="3 of 5 records"):
        validated_dataset(str(path), "any@1", registry=registry)
    whole = tmp_path / "cases.json"
    whole.write_text("[{]")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        aside(str(whole), registry)


def test_a_converter_that_fails_on_a_valid_record_says_so(registry: Registry) -> None:
    def convert(found: dict[str, Any]) -> Sample:
        return Sample(input=found["input"], target=found["targets"])

    with pytest.raises(KeyError, match="targets"):
        aside([record(0)], registry, sample_fields=convert)
