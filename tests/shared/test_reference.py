"""References: what is read, what is refused, and which version is the higher one."""

from __future__ import annotations

import itertools
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.errors import ConfigurationError, InvalidReference
from llm_integrations.core.model.reference import (
    SchemaRef,
    Version,
    parse_version,
    version_key,
)


@pytest.mark.parametrize(
    ("text", "subject", "version"),
    [
        ("user-profile@2.0.0", "user-profile", "2.0.0"),
        ("com.example.user-profile@2", "com.example.user-profile", 2),
        ("user-profile@latest", "user-profile", "latest"),
        ("user-profile", "user-profile", "latest"),
        ("user-profile v2.0.0", "user-profile", "2.0.0"),
        ("user-profile  v3", "user-profile", 3),
        ("a v1", "a", 1),
        ("user profile v2.0.0", "user profile", "2.0.0"),
        (
            "user@example.com/topic:value with spaces@7",
            "user@example.com/topic:value with spaces",
            7,
        ),
        ("a@2.0.0-rc.1+build.5", "a", "2.0.0-rc.1+build.5"),
        ("a@1.0.0--", "a", "1.0.0--"),
        ("schéma-用户@1", "schéma-用户", 1),
        ("name vX", "name vX", "latest"),
        ("name v", "name v", "latest"),
        ("v2.0.0", "v2.0.0", "latest"),
        ("../../etc/passwd@1", "../../etc/passwd", 1),
    ],
)
def test_a_reference_is_read(text: str, subject: str, version: Version) -> None:
    ref = SchemaRef.parse(text)
    assert (ref.subject, ref.version) == (subject, version)
    assert type(ref.version) is type(version)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "@1",
        "@",
        " @1",
        "name@",
        "name@two",
        "name@0",
        "name@-1",
        "name@007",
        "name@1.0",
        "name@1.0.0.0",
        "name@01.0.0",
        "name@1.0.0-01",
        "name@1.0.0-a..b",
        "name@1.0.0+",
        "name@v1",
        "name@1 ",
        "name@1\n",
        "name@Latest",
        "name@^1.0.0",
        "name@1.x",
        "name@>=1",
        "name@٣",
        "name@" + "9" * 19,
        "name v2.x",
        " name@1",
        "na\nme@1",
        "na\x00me@1",
        "na\x7fme",
        "na\u202eme",
        "name\ud800@1",
        "ada@example.com",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        SchemaRef.parse(text)


def test_the_error_says_what_to_write() -> None:
    with pytest.raises(InvalidReference, match=r"'two' is not a version: write subject@2, "):
        SchemaRef.parse("user-profile@two")
    with pytest.raises(ConfigurationError, match="a reference needs a subject"):
        SchemaRef.parse("@2")


@pytest.mark.parametrize("value", [None, 5, b"name@1", ["name", 1], object()])
def test_a_reference_is_text(value: object) -> None:
    with pytest.raises(InvalidReference, match="a reference is text, not "):
        SchemaRef.parse(value)  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize("version", [True, 1.0, None, 0, -1, b"1"])
def test_a_version_is_a_positive_integer_or_text(version: object) -> None:
    with pytest.raises(InvalidReference):
        parse_version(version)  # type: ignore[arg-type]  # what is tested


def test_a_long_reference_is_refused_or_read_at_once() -> None:
    started = time.perf_counter()
    for tail in (" " * 50_000, " v" * 50_000, "@" * 50_000, "@1.0.0-" + "0" * 50_000):
        for text in (f"a{tail}", f"a{tail}x"):
            try:
                SchemaRef.parse(text)
            except InvalidReference:
                continue
    assert time.perf_counter() - started < 30


_printable = st.characters(exclude_categories=["C", "Z"]) | st.just(" ")
subjects = st.text(_printable, min_size=1).filter(lambda s: s == s.strip() and s.isprintable())
numbers = st.integers(0, 999_999_999)
identifiers = st.from_regex(
    r"(0|[1-9][0-9]{0,5}|[0-9]{0,3}[A-Za-z-][0-9A-Za-z-]{0,4})", fullmatch=True
)
prereleases = st.lists(identifiers, max_size=3).map(".".join)
semantic = st.builds(
    lambda a, b, c, pre: f"{a}.{b}.{c}" + (f"-{pre}" if pre else ""),
    numbers,
    numbers,
    numbers,
    prereleases,
)
versions: st.SearchStrategy[Version] = st.integers(1, 10**18 - 1) | semantic


@given(subject=subjects, version=versions | st.just("latest"))
def test_every_reference_is_read_back_from_its_own_text(subject: str, version: Version) -> None:
    ref = SchemaRef(subject, version)
    assert SchemaRef.parse(str(ref)) == ref
    assert SchemaRef.parse(ref) is ref
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert hash(SchemaRef.parse(str(ref))) == hash(ref)


@given(text=st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        ref = SchemaRef.parse(text)
    except InvalidReference:
        return
    assert SchemaRef.parse(str(ref)) == ref


def test_versions_come_in_the_order_of_semver() -> None:
    ordered: list[Version] = [
        "0.0.1",
        "0.9.10",
        "1.0.0-0",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0--",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        1,
        "1.0.1",
        "1.9.0",
        "1.10.0",
        2,
        "2.1.0",
        10,
    ]
    for lower, higher in itertools.pairwise(ordered):
        assert version_key(lower) < version_key(higher), (lower, higher)


def test_an_integer_counts_as_the_same_semantic_version_and_builds_do_not_count() -> None:
    assert version_key(2) == version_key("2.0.0") == version_key("2.0.0+linux")


@given(a=versions, b=versions, c=versions)
def test_the_order_is_total_and_consistent(a: Version, b: Version, c: Version) -> None:
    one, two, three = version_key(a), version_key(b), version_key(c)
    assert (one < two) + (one == two) + (one > two) == 1
    if one <= two <= three:
        assert one <= three


def test_latest_has_no_place_in_the_order() -> None:
    with pytest.raises(InvalidReference, match="it is not an exact version"):
        version_key("latest")


@pytest.mark.parametrize(
    ("subject", "namespace", "name"),
    [
        ("com.example.user-profile", "com.example", "user-profile"),
        ("user-profile", "", "user-profile"),
        ("a.b", "a", "b"),
    ],
)
def test_namespace_and_name_are_a_view_of_the_subject(
    subject: str, namespace: str, name: str
) -> None:
    ref = SchemaRef(subject)
    assert (ref.namespace, ref.name) == (namespace, name)


def test_it_knows_latest_and_prereleases() -> None:
    assert SchemaRef("a").is_latest
    assert not SchemaRef("a", 2).is_latest
    assert SchemaRef("a", "1.0.0-rc.1").is_prerelease
    assert not any(SchemaRef("a", v).is_prerelease for v in (2, "1.0.0", "1.0.0+b-1", "latest"))


def test_text_and_number_are_the_same_version() -> None:
    assert SchemaRef("a", "2") == SchemaRef("a", 2) == SchemaRef.parse("a@2")
