"""No way of running an evaluation through us changes the score of the documents evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.registry import Registry, connect
from tests.support.lm_eval_tasks import (
    BAD,
    CASE,
    GOOD,
    AsAsked,
    group_of,
    plain,
    run,
    task_of,
)
from tests.support.untidy import UNTIDY

pytestmark = UNTIDY


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("case", CASE)
        client.register("case", {**CASE, "required": ["answer"]}, compatibility="NONE")
        client.register("any", {})
        yield client


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tasks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "hf")
        patch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
        patch.setattr("lm_eval.caching.cache.PATH", str(folder / "requests"))
        yield folder


def scores(results: Any) -> Any:
    return {
        "results": results["results"],
        "samples": {
            task: [
                (s["doc_id"], s["doc"], s["arguments"], s["resps"], s["filtered_resps"])
                for s in samples
            ]
            for task, samples in results["samples"].items()
        },
        "n-samples": results["n-samples"],
        "limit": results["config"]["limit"],
    }


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a run costs too much to shrink by
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_scores_are_those_of_simple_evaluate_on_the_same_documents(
    registry: Registry, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.sampled_from([*GOOD, BAD]), min_size=4, max_size=9))
    rows[data.draw(st.integers(0, len(rows) - 1))] = GOOD[0]
    config: dict[str, Any] = data.draw(
        st.fixed_dictionaries(
            {
                "fewshot_split": st.sampled_from(["test", "shots"]),
                "num_fewshot": st.integers(0, 2),
                "repeats": st.integers(1, 2),
                "filter_list": st.sampled_from(
                    [
                        None,
                        [
                            {"name": "first", "filter": [{"function": "take_first"}]},
                            {
                                "name": "vote",
                                "filter": [
                                    {"function": "majority_vote"},
                                    {"function": "take_first"},
                                ],
                            },
                        ],
                    ]
                ),
                "output_type": st.sampled_from(["generate_until", "multiple_choice"]),
            }
        )
    )
    if config["output_type"] == "multiple_choice":
        config |= {
            "doc_to_choice": ["0", "1", "2", "nobody knows"],
            "metric_list": [{"metric": "acc"}],
            "generation_kwargs": None,
            "filter_list": None,
        }
    chosen = data.draw(st.none() | st.lists(st.integers(0, len(rows) - 1), min_size=1))
    limit = None if chosen else data.draw(st.none() | st.integers(1, 9) | st.just(0.7))
    taken = set(chosen or range(len(rows)))
    if isinstance(limit, int):
        taken = set(range(min(limit, len(rows))))
    elif limit is not None:
        taken = set(range(-(-len(rows) * 7 // 10)))
    kept = sorted(n for n in taken if rows[n] != BAD)
    if not kept:
        return
    in_group = data.draw(st.booleans())
    task = task_of(rows, **config)
    asked: dict[str, Any] = {"limit": limit, "samples": chosen and {"qa": chosen}}
    expected = {"qa": kept}
    if in_group:
        task = group_of(task, task_of(GOOD, "other", **config))
        if limit is not None:
            count = min(limit, 6) if isinstance(limit, int) else -(-6 * 7 // 10)
            expected["other"] = [*range(count)]
    same = plain(task, samples=expected)
    same["config"]["limit"] = limit
    for cached in (data.draw(st.booleans()), True):
        found = run(registry, task, on_invalid="set_aside", cache_requests=cached, **asked)
        assert scores(found) == scores(same)
        assert found["schemas"]["qa"]["set_aside"] == sorted(taken.difference(kept))


def test_a_cached_request_of_one_document_is_never_scored_against_another(
    registry: Registry,
) -> None:
    first = task_of([BAD, *GOOD])
    for rows in ([BAD, *GOOD], GOOD, GOOD[::-1], [*GOOD[2:], BAD, GOOD[0]]):
        for schema in ("case@1", "any@1"):
            found = run(
                registry,
                task_of(rows),
                model=AsAsked(),
                on_invalid="set_aside",
                cache_requests=True,
                schemas={"case": schema},
            )
            assert found["results"]["qa"]["exact_match,none"] == 1.0, (rows, schema)
    # Nor does a run of ours leave anything where the harness looks.
    found = plain(first, model=AsAsked(), cache_requests=True)
    assert found["results"]["qa"]["exact_match,none"] == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"doc_to_text": "Well, {{question}}"},
        {"description": "Be brief. "},
        {"generation_kwargs": {"until": ["?"]}},
        {"fewshot_split": "shots", "num_fewshot": 2},
        {"repeats": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_task_that_changed_finds_no_requests_of_what_it_was(
    registry: Registry, change: dict[str, Any]
) -> None:
    run(registry, task_of(GOOD), cache_requests=True)
    changed = task_of(GOOD, **change)
    assert scores(run(registry, changed, cache_requests=True)) == scores(plain(changed))


def _closing(word: str) -> Any:
    return lambda doc: f"{word} {doc['question']}"


def _default(word: str) -> Any:
    def text(doc: Any, word: str = word) -> str:
        return f"{word} {doc['question']}"

    return text


WORDS = ["nothing"]


def _global(word: str) -> Any:
    def text(doc: Any) -> str:
        return f"{WORDS[0]} {doc['question']}"

    WORDS[0] = word
    return text


class _Asking:
    def __init__(self, word: str) -> None:
        self.word = word

    def text(self, doc: Any) -> str:
        return f"{self.word} {doc['question']}"


@pytest.mark.parametrize(
    "make",
    [_closing, _default, _global, lambda word: _Asking(word).text],
    ids=["closure", "default", "global", "method"],
)
@pytest.mark.parametrize("where", ["prompt", "shots"])
def test_a_function_that_says_something_else_finds_no_cached_requests(
    registry: Registry, make: Any, where: str
) -> None:
    for word in ("Now,", "Then,"):
        if where == "prompt":
            task = task_of(GOOD, doc_to_text=make(word))
        else:
            shots = {"split": "shots", "doc_to_text": make(word)}
            task = task_of(GOOD, fewshot_config=shots, num_fewshot=2)
        found = run(registry, task, cache_requests=True)
        assert scores(found) == scores(plain(task))
        assert word in found["samples"]["qa"][0]["arguments"][0][0]


def test_a_function_that_the_harness_never_calls_may_fail(registry: Registry) -> None:
    def failing(_: Any) -> str:
        raise KeyError("nobody asks for shots")

    task = task_of(GOOD, fewshot_config={"split": "shots", "doc_to_text": failing})
    assert scores(run(registry, task, cache_requests=True)) == scores(plain(task))


def test_another_seed_of_the_shots_finds_no_cached_requests(registry: Registry) -> None:
    task = task_of(GOOD, fewshot_split="shots", num_fewshot=2)
    for seed in (1, 2):
        found = run(registry, task, cache_requests=True, fewshot_random_seed=seed)
        assert scores(found) == scores(plain(task, fewshot_random_seed=seed))


def test_requests_are_taken_from_the_cache_when_nothing_changed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(registry, task_of(GOOD), cache_requests=True)
    monkeypatch.setattr(ConfigurableTask, "construct_requests", None)
    assert run(registry, task_of(GOOD), cache_requests=True)["n-samples"]["qa"]["effective"] == 6


def test_positions_stay_where_documents_are_left_out(registry: Registry) -> None:
    task = task_of([BAD, *GOOD[:3], BAD, *GOOD[3:]])
    found = run(registry, task, on_invalid="set_aside")
    assert [sample["doc_id"] for sample in found["samples"]["qa"]] == [1, 2, 3, 5, 6, 7]
    assert found["n-samples"]["qa"] == {"original": 8, "effective": 6}
    assert found["schemas"]["qa"]["set_aside"] == [0, 4]
    found = run(registry, task, on_invalid="set_aside", samples={"qa": [7, 1, 4, 7]})
    assert [(s["doc_id"], s["doc"]) for s in found["samples"]["qa"]] == [(1, GOOD[0]), (7, GOOD[5])]
    found = run(registry, task, on_invalid="set_aside", limit=3)
    assert [sample["doc_id"] for sample in found["samples"]["qa"]] == [1, 2]
    assert found["config"]["limit"] == 3


def test_samples_that_are_not_there_are_refused(registry: Registry) -> None:
    for wrong in (-1, 6):
        with pytest.raises(ConfigurationError, match="not among 0 to 5"):
            run(registry, task_of(GOOD), samples={"qa": [0, wrong]})
    with pytest.raises(ConfigurationError, match="give one of them"):
        run(registry, task_of(GOOD), samples={"qa": [0]}, limit=1)


def test_the_callers_own_task_is_as_it_was_after_a_run(registry: Registry) -> None:
    task = ConfigurableTask(config=task_of([BAD, *GOOD]))
    run(registry, task, on_invalid="set_aside", cache_requests=True)
    assert {"test_docs", "build_all_requests"}.isdisjoint(vars(task))
    assert plain(task)["n-samples"]["qa"] == {"original": 7, "effective": 7}


def test_a_model_that_draws_at_random_draws_the_same(registry: Registry) -> None:
    import random

    def drawing(docs: Any) -> Any:
        random.random()
        return docs

    task = task_of(
        GOOD,
        output_type="multiple_choice",
        doc_to_choice=["0", "1", "2"],
        metric_list=[{"metric": "acc"}],
        generation_kwargs=None,
    )
    assert scores(run(registry, task, model="dummy")) == scores(plain(task, model="dummy"))
    task["process_docs"] = drawing
    assert run(registry, task, model="dummy")["results"]["qa"]["sample_len"] == 6


def test_a_task_reads_the_arguments_of_the_model(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Reading the harness's thousands of own tasks takes a minute.
    few = partial(TaskManager, include_defaults=False)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", few)
    (folder / "needs.py").write_text(
        "import datasets\n\n"
        "def rows(**kwargs):\n"
        "    row = {'question': kwargs['pretrained'], 'answer': kwargs.get('extra', '0')}\n"
        "    return {'test': datasets.Dataset.from_list([row])}\n"
    )
    config = {k: v for k, v in task_of([]).items() if k != "custom_dataset"}
    text = yaml.safe_dump(config | {"task": "needs"}) + "custom_dataset: !function needs.rows\n"
    (folder / "needs.yaml").write_text(text)
    path = str(folder / "needs.yaml")
    for arguments in ("pretrained=tiny", {"pretrained": "tiny"}):
        kwargs = {"model_args": arguments, "metadata": {"extra": "1"}, "task_manager": None}
        found = run(registry, path, model="dummy", **kwargs)
        assert found["samples"]["needs"][0]["doc"] == {"question": "tiny", "answer": "1"}
        assert json.dumps(found["configs"]["needs"]["metadata"]["pretrained"]) == '"tiny"'


@pytest.mark.parametrize("option", ["process_docs", "doc_to_text", "doc_to_target"])
def test_an_index_error_of_the_tasks_own_keeps_its_traceback(
    registry: Registry, option: str
) -> None:
    def fails(given: Any) -> Any:
        return [][7] if given is not None else given

    own: dict[str, Any] = {option: fails}
    with pytest.raises(IndexError) as caught:
        run(registry, task_of(GOOD, **own))
    assert caught.traceback[-1].name == "fails"
    with pytest.raises(InvalidEvaluation, match="no test case at all"):
        run(registry, task_of(GOOD, process_docs=lambda docs: docs.select([])))
