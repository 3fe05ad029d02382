"""What the cache decides, as values: no registry, no clock, no threads."""

from __future__ import annotations

import pytest

from llm_integrations.core.config import CacheOptions
from llm_integrations.core.errors import ConfigurationError, InvalidReference, SchemaNotFound
from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.cache.freshness import (
    CacheEntry,
    Decision,
    decide,
    same_version,
    supersedes,
)
from llm_integrations.core.registry.cache.requests import id_key, key_of
from llm_integrations.core.registry.cache.store import SchemaCache

OPTIONS = CacheOptions(
    maxsize=3,
    ttl=10.0,
    stale_while_revalidate=20.0,
    stale_ttl=100.0,
    negative_ttl=5.0,
    refresh_pause=2.0,
)


def schema(subject: str = "s", version: Version = 1, state: str = "ACTIVE") -> RegisteredSchema:
    return RegisteredSchema(f"{subject}-{version}", subject, version, {}, state=state)


def put(cache: SchemaCache, reference: str, now: float = 0.0, version: Version = 1) -> CacheEntry:
    key, ref = key_of(reference)
    return cache.store(key, ref, schema(ref.subject, version), now)


@pytest.fixture
def cache() -> SchemaCache:
    return SchemaCache(OPTIONS)


def test_nothing_known_is_fetched() -> None:
    assert decide(None, 0.0) is Decision.FETCH


def test_a_copy_is_fresh_then_served_while_refreshed_then_waited_for_then_fetched(
    cache: SchemaCache,
) -> None:
    entry = put(cache, "s@latest")
    assert decide(entry, 9.9) is Decision.FRESH
    assert decide(entry, 10.0) is Decision.REFRESH
    assert decide(entry, 29.9) is Decision.REFRESH
    assert decide(entry, 30.0) is Decision.WAIT
    assert decide(entry, 109.9) is Decision.WAIT
    assert decide(entry, 110.0) is Decision.FETCH


def test_what_may_be_served_at_once_may_be_served_when_the_registry_fails() -> None:
    cache = SchemaCache(CacheOptions(ttl=10.0, stale_while_revalidate=20.0, stale_ttl=0.0))
    entry = put(cache, "s@latest")
    assert decide(entry, 29.9) is Decision.REFRESH
    assert decide(entry, 30.0) is Decision.FETCH


def test_the_body_of_an_exact_version_is_kept_for_good(cache: SchemaCache) -> None:
    assert decide(put(cache, "s@1"), 1e12) is Decision.REFRESH
    by_id = cache.store(id_key(7), None, schema(), 0.0)
    assert decide(by_id, 1e12) is Decision.REFRESH


def test_after_a_failed_refresh_none_is_tried_for_a_while(cache: SchemaCache) -> None:
    entry = put(cache, "s@latest")
    cache.pause_refresh(entry, now=20.0)
    assert decide(entry, 21.9) is Decision.STALE
    assert decide(entry, 22.0) is Decision.REFRESH
    cache.pause_refresh(entry, now=30.0)
    assert decide(entry, 31.9) is Decision.STALE
    assert decide(entry, 32.0) is Decision.WAIT


def test_what_is_unknown_stays_unknown_for_the_negative_ttl(cache: SchemaCache) -> None:
    key, ref = key_of("s@1")
    cache.store_unknown(key, ref, SchemaNotFound("no"), 0.0)
    assert decide(cache.find(key), 4.9) is Decision.UNKNOWN
    assert decide(cache.find(key), 5.0) is Decision.FETCH


def test_the_least_recently_used_goes_first(cache: SchemaCache) -> None:
    for subject in "abc":
        put(cache, subject)
    cache.use("a@latest")
    put(cache, "d")
    assert [cache.peek(f"{subject}@latest") is not None for subject in "abcd"] == [
        True,
        False,
        True,
        True,
    ]
    assert len(cache) == 3


def test_peeking_is_not_using(cache: SchemaCache) -> None:
    for subject in "abc":
        put(cache, subject)
    cache.peek("a@latest")
    put(cache, "d")
    assert cache.peek("a@latest") is None


def test_naming_unknown_subjects_pushes_no_known_one_out(cache: SchemaCache) -> None:
    put(cache, "a")
    for number in range(50):
        key, ref = key_of(f"unknown-{number}")
        cache.store_unknown(key, ref, SchemaNotFound("no"), 0.0)
    assert cache.peek("a@latest") is not None


def test_invalidating_a_version_marks_it_and_latest_but_no_other(cache: SchemaCache) -> None:
    latest, one, two = put(cache, "s"), put(cache, "s@1"), put(cache, "s@2", version=2)
    cache.mark_stale("s", 2)
    assert [decide(entry, 1.0) for entry in (latest, one, two)] == [
        Decision.WAIT,
        Decision.FRESH,
        Decision.WAIT,
    ]


def test_invalidating_a_subject_leaves_the_others_alone(cache: SchemaCache) -> None:
    mine, other = put(cache, "s@1"), put(cache, "t@1")
    cache.mark_stale("s")
    assert decide(mine, 1.0) is Decision.WAIT
    assert decide(other, 1.0) is Decision.FRESH
    cache.mark_stale(None)
    assert decide(other, 1.0) is Decision.WAIT


def test_invalidating_ends_the_pause_after_a_failed_refresh(cache: SchemaCache) -> None:
    entry = put(cache, "s")
    cache.pause_refresh(entry, now=10.0)
    cache.mark_stale("s")
    assert decide(entry, 10.1) is Decision.WAIT


def test_a_schema_known_by_its_id_follows_its_subject(cache: SchemaCache) -> None:
    entry = cache.store(id_key(7), None, schema("s", 2), 0.0)
    cache.mark_stale("s", 1)
    assert decide(entry, 1.0) is Decision.FRESH, "it is another version"
    cache.mark_stale("s")
    assert decide(entry, 1.0) is Decision.WAIT
    cache.drop("s", 1)
    assert cache.peek(id_key(7)) is entry
    cache.drop("s", 2)
    assert cache.peek(id_key(7)) is None


def test_a_deleted_version_is_dropped_wherever_it_was_meant(cache: SchemaCache) -> None:
    put(cache, "s", version=2)
    put(cache, "s@1", version=1)
    put(cache, "s@2.0.0", version="2.0.0")
    cache.drop("s", 2)
    assert cache.peek("s@latest") is None
    assert cache.peek("s@2.0.0") is None
    assert cache.peek("s@1") is not None


def test_what_was_unknown_is_asked_for_again_after_any_change_of_its_subject(
    cache: SchemaCache,
) -> None:
    for change in (cache.mark_stale, cache.drop, cache.forget_unknown):
        key, ref = key_of("s@9")
        cache.store_unknown(key, ref, SchemaNotFound("no"), 0.0)
        change("s")
        assert cache.find(key) is None


def test_marking_latest_leaves_exact_versions_fresh(cache: SchemaCache) -> None:
    latest, exact = put(cache, "s"), put(cache, "s@1")
    cache.mark_latest_stale()
    assert decide(latest, 1.0) is Decision.REFRESH
    assert decide(exact, 1.0) is Decision.FRESH


@pytest.mark.parametrize(
    ("written", "known", "expected"),
    [
        (schema(version=3), schema(version=2), True),
        (schema(version=2), schema(version=3), False),
        (schema(version=2), schema(version=2), True),
        (schema(version="2.0.0"), schema(version="1.9.9"), True),
        (schema(version="2.0.0-rc.1"), schema(version="1.9.9"), False),
        (schema(version="2.0.0", state="DRAFT"), schema(version="1.9.9"), False),
    ],
)
def test_what_was_written_is_latest_if_latest_would_mean_it(
    written: RegisteredSchema, known: RegisteredSchema, expected: bool
) -> None:
    assert supersedes(written, known) is expected


def test_integer_and_semantic_spellings_of_a_version_are_one_version() -> None:
    assert same_version(2, "2.0.0")
    assert not same_version(2, "2.0.1")


def test_all_spellings_of_a_reference_have_one_key() -> None:
    keys = {key_of(text)[0] for text in ("a.b@2.0.0", "a.b v2.0.0")}
    keys.add(key_of(SchemaRef("a.b", "2.0.0"))[0])
    assert keys == {"a.b@2.0.0"}
    assert key_of("a@b@1") == ("a@b@1", SchemaRef("a@b", 1))


def test_ids_cannot_be_mistaken_for_references_or_for_each_other() -> None:
    assert len({id_key(5), id_key("5"), key_of("5")[0]}) == 3
    with pytest.raises(InvalidReference):
        SchemaRef.parse(id_key(5))


@pytest.mark.parametrize(
    "wrong",
    [
        {"maxsize": 0},
        {"ttl": -1.0},
        {"stale_ttl": -1.0},
        {"stale_while_revalidate": -1.0},
        {"refresh_wait": float("nan")},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        CacheOptions(**wrong)  # type: ignore[arg-type]  # the point of the test


def test_a_copy_that_was_never_fresh_can_still_be_kept(cache: SchemaCache) -> None:
    key, ref = key_of("s")
    entry = cache.store(key, ref, schema(), 0.0, fresh=False)
    assert decide(entry, 0.0) is Decision.WAIT


def test_a_copy_that_came_too_late_is_waited_for_as_the_one_before(cache: SchemaCache) -> None:
    put(cache, "s")
    cache.mark_stale("s", wait_from=50.0)
    key, ref = key_of("s")
    entry = cache.store(key, ref, schema(), 0.0, fresh=False)
    assert decide(entry, 49.0) is Decision.REFRESH
    assert decide(entry, 50.0) is Decision.WAIT
