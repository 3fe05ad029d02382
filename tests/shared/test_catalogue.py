"""The catalogue: who uses which schema, for every process that shares the file."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.catalogue import Catalogue, Usage
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.reference import SchemaRef


def usage(name: str, schema: str = "user-profile@1", **kwargs: Any) -> Usage:
    return Usage("prompt", name, SchemaRef.parse(schema), **kwargs)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "catalogue.db")


def test_uses_are_found_by_subject_and_kind(catalogue: Catalogue) -> None:
    index = Usage("index", "docs", SchemaRef("user-profile"), metadata={"path": "/index"})
    catalogue.add(usage("b"), usage("a", owner="team-a"), usage("c", "other@2"), index)
    assert [u.name for u in catalogue.using("user-profile")] == ["docs", "a", "b"]
    assert catalogue.using("user-profile", "index") == [index]
    assert [u.name for u in catalogue.all("prompt")] == ["a", "b", "c"]
    assert catalogue.using("user-profile", "prompt")[0].owner == "team-a"
    assert catalogue.using("nobody") == []


def test_a_kind_is_any_word_of_an_adapter(catalogue: Catalogue) -> None:
    step = Usage("filter", "step-1", SchemaRef("user-profile"))
    catalogue.add(step, usage("greeting"))
    assert catalogue.using("user-profile", "filter") == [step]


def test_the_same_use_added_again_replaces_what_was_known(catalogue: Catalogue) -> None:
    catalogue.add(usage("a"))
    catalogue.add(usage("a", "user-profile@2.0.0"))
    [found] = catalogue.all()
    assert str(found.schema) == "user-profile@2.0.0"
    assert not found.follows_latest


def test_subjects_may_hold_an_at_sign(catalogue: Catalogue) -> None:
    catalogue.add(usage("a", "team@home@latest"))
    [found] = catalogue.using("team@home")
    assert found.follows_latest


def test_what_is_removed_is_gone(catalogue: Catalogue) -> None:
    catalogue.add(usage("a"), usage("a", role="output"), usage("b"))
    assert catalogue.remove("prompt", "a") == 2
    assert [u.name for u in catalogue.all()] == ["b"]


def test_threads_and_connections_share_it(catalogue: Catalogue) -> None:
    with Catalogue(catalogue.path) as other:
        threads = [
            threading.Thread(target=(catalogue, other)[n % 2].add, args=(usage(f"p{n}"),))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(other.all()) == 20
    assert len(pickle.loads(pickle.dumps(catalogue)).all()) == 20


def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 1000)
    with pytest.raises(ConfigurationError, match=r"notes\.txt"):
        Catalogue(path)
