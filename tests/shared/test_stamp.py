"""The stamp on metadata: flat text under keys of ours, and none of what is judged."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.stamp import (
    ISSUE,
    STAMP_KEYS,
    SUBJECT,
    VALID,
    InForce,
    is_stamped,
    judged_part,
    stamps_of,
    without_stamp,
)
from llm_integrations.core.validation import compile_validator

IN_FORCE = InForce(compile_validator(True, subject="a.b@c", reference="a.b@c@2.0.0"), 7)


def test_a_stamp_names_subject_version_id_and_fingerprint_as_flat_text() -> None:
    assert IN_FORCE.stamp == {
        "schema_subject": "a.b@c",
        "schema_version": "2.0.0",
        "schema_id": "7",
        "schema_fingerprint": IN_FORCE.validator.fingerprint,
    }


@given(st.dictionaries(st.text().filter(lambda k: k not in STAMP_KEYS), st.integers()))
def test_what_is_judged_is_what_its_author_wrote_however_often_it_was_stamped(
    metadata: dict[str, Any],
) -> None:
    stamped = IN_FORCE.stamped(metadata, valid=False)
    assert stamped[VALID] is False
    again = IN_FORCE.stamped(MappingProxyType({**stamped, ISSUE: "stale"}))
    assert again == {**metadata, **IN_FORCE.stamp}
    assert dict(without_stamp(again)) == metadata
    assert not is_stamped(without_stamp(again))


def test_metadata_without_a_stamp_is_left_alone_though_its_keys_look_like_ours() -> None:
    own = {"schema_version": "mine"}
    assert without_stamp(own) is own
    assert without_stamp({SUBJECT: "maths"}) == {SUBJECT: "maths"}
    assert "schema_version" not in without_stamp({**own, SUBJECT: "x"})


def test_a_stamp_vouches_for_what_stands_before_it_in_whatever_order_two_were_set() -> None:
    other = InForce(compile_validator(True, subject="other", reference="other@1"), 8)
    twice = other.stamped(IN_FORCE.stamped({"a": 1}))
    again = IN_FORCE.stamped({**twice, "added": 2})
    later = {**again, "behind": 3}
    parts = {stamp.subject: judged_part(later, stamp) for stamp in stamps_of(later)}
    assert parts == {"other": {"a": 1}, "a.b@c": {"a": 1, "added": 2}}
    assert without_stamp(later) == {"a": 1, "added": 2, "behind": 3}


def test_where_a_store_put_the_keys_in_another_order_everything_is_judged() -> None:
    sorted_keys = dict(sorted({**IN_FORCE.stamped({"title": 1}), "added": 2}.items()))
    [stamp] = stamps_of(sorted_keys)
    assert judged_part(sorted_keys, stamp) == {"title": 1, "added": 2}
