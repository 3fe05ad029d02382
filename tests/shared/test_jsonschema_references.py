"""What a reference means to us is what it means to the engine that judges data."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.jsonschema.recursion import is_recursive
from llm_integrations.core.validation import compile_validator

# Counting lines would take longer than what is counted here.
pytestmark = pytest.mark.no_cover

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_6 = "http://json-schema.org/draft-06/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
IDS = ("a", "b/", "b/c", "http://x.example/d", "urn:example:e", "registry://team/f")
ANCHORS = ("n", "m", "k", "l")
NAMES = ("other.json", "http://x.example/other")
KEYS = ("p", "q r", "s/t", "u~v", "w%")


class Tree:
    """A schema whose every part admits one number of its own, and refers to nothing."""

    def __init__(self, draw: Any, draft: str, numbers: Any, free: set[str]) -> None:
        self.draw, self.draft, self.numbers, self.free = draw, draft, numbers, free
        self.pointers: list[str] = [""]
        self.body = self._node("", 3)
        self.body["$schema"] = draft

    def _node(self, pointer: str, depth: int) -> dict[str, Any]:
        node: dict[str, Any] = {"enum": [next(self.numbers)]}
        node |= self._name()
        holders = ["properties", "definitions"]
        if self.draft in (DRAFT_2019, DRAFT_2020):
            holders.append("$defs")
        for holder in self.draw(st.sets(st.sampled_from(holders), max_size=2)) if depth else ():
            keys = self.draw(st.sets(st.sampled_from(KEYS), min_size=1, max_size=2))
            node[holder] = {}
            for key in sorted(keys):
                below = f"{pointer}/{holder}/{key.replace('~', '~0').replace('/', '~1')}"
                self.pointers.append(below)
                node[holder][key] = self._node(below, depth - 1)
        return node

    def _named(self, keyword: str, names: tuple[str, ...], mark: str = "") -> dict[str, str]:
        """A name, or none if it is given away already: each is given once."""
        name = self.draw(st.sampled_from(names))
        if name not in self.free:
            return {}
        self.free.remove(name)
        return {keyword: mark + name}

    def _name(self) -> dict[str, str]:
        identifier = "id" if self.draft == DRAFT_4 else "$id"
        kind = self.draw(st.sampled_from(["none", "none", "id", "anchor"]))
        if kind == "none":
            return {}
        if kind == "id":
            return self._named(identifier, IDS)
        if self.draft == DRAFT_2020:
            return self._named(self.draw(st.sampled_from(["$anchor", "$dynamicAnchor"])), ANCHORS)
        if self.draft == DRAFT_2019:
            return self._named("$anchor", ANCHORS)
        return self._named(identifier, ANCHORS, mark="#")

    def node(self, pointer: str) -> dict[str, Any]:
        found = self.body
        for token in pointer.split("/")[1:]:
            found = found[token.replace("~1", "/").replace("~0", "~")]
        return found


@st.composite
def cases(draw: Any) -> tuple[dict[str, Any], dict[str, Any], str]:
    """A schema, those that it may refer to, and a reference from somewhere within it.

    The schema's property ``v`` is judged by what the reference leads to.
    """
    draft = draw(st.sampled_from([DRAFT_4, DRAFT_6, DRAFT_7, DRAFT_2019, DRAFT_2020]))
    numbers, free = count(1), {*IDS, *ANCHORS}
    root, other = Tree(draw, draft, numbers, free), Tree(draw, draft, numbers, free)
    name = draw(st.sampled_from(NAMES))
    pointer = quote(draw(st.sampled_from(root.pointers + other.pointers)), safe="/~")
    if draw(st.booleans()):
        pointer = pointer.replace("$", "%24")
    fragment = draw(st.sampled_from(["", "#", f"#{pointer}", *(f"#{a}" for a in ANCHORS)]))
    document = draw(st.sampled_from(["", "", "", name, f"./{name}", *IDS, "../b/c"]))
    where = draw(st.sampled_from(root.pointers))
    root.node(where).setdefault("definitions", {})["here"] = {"$ref": document + fragment}
    here = quote(f"{where}/definitions/here", safe="/~")
    del root.body["enum"]
    root.body.setdefault("properties", {})["v"] = {"$ref": f"#{here}"}
    return root.body, {name: other.body}, document + fragment


def numbers_in(node: Any) -> set[int]:
    if not isinstance(node, dict):
        return set()
    own = set(node["enum"]) if isinstance(node.get("enum"), list) else set()
    return own.union(*(numbers_in(value) for value in node.values()))


def admitted(documents: Documents, location: SchemaLocation | None) -> set[int] | None:
    """The numbers that our reading admits; None if it cannot tell."""
    seen: set[SchemaLocation] = set()
    while location is not None and "$ref" in location.keywords and location not in seen:
        seen.add(location)
        location = documents.follow(location)
    return None if location is None else set(location.schema.get("enum", ()))


def test_a_reference_leads_where_the_engine_says() -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(cases())
    def compared(case: tuple[dict[str, Any], dict[str, Any], str]) -> None:
        body, named, _ = case
        try:
            validator = compile_validator(body, resources=named)
        except InvalidSchema:
            outcomes["refused"] += 1
            return
        documents = Documents(body, named)
        ours = admitted(documents, documents.top.below("properties", "v"))
        everything = numbers_in(body).union(*map(numbers_in, named.values()))
        theirs = {number for number in everything if validator.is_valid({"v": number})}
        outcomes["left open" if ours is None else "known"] += 1
        assert ours is None or (ours or everything) == theirs

    compared()
    assert outcomes["known"] > 12
    assert outcomes["left open"] < outcomes["known"] / 5, outcomes


INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"$ref": "#n", "$defs": {"x": {"$anchor": "n", **INTEGER}}}, {}),
        ({"$ref": "#n", "$defs": {"x": {"$dynamicAnchor": "n", **INTEGER}}}, {}),
        ({"$dynamicRef": "#n", "$defs": {"x": {"$dynamicAnchor": "n", **INTEGER}}}, {}),
        ({"$ref": "#/%24defs/x%20y", "$defs": {"x y": INTEGER}}, {}),
        ({"$ref": "#/$defs/a%7E1b~0", "$defs": {"a/b~": INTEGER}}, {}),
        ({"$ref": "#/$defs/%C3%A9", "$defs": {"é": INTEGER}}, {}),
        ({"$ref": "a/b"}
         | {"$defs": {"x": {"$id": "a/", "$defs": {"y": {"$id": "b", **INTEGER}}}}}, {}),
        ({"$id": "urn:x:y", "$ref": "#n", "$defs": {"x": {"$anchor": "n", **INTEGER}}}, {}),
        ({"$id": "urn:x:y", "$ref": "urn:x:y#/$defs/x", "$defs": {"x": INTEGER}}, {}),
        ({"$id": "registry://t/a", "$ref": "b", "$defs": {"x": {"$id": "b", **INTEGER}}}, {}),
        ({"$ref": "other.json"}, {"other.json": INTEGER}),
        ({"$ref": "./other.json#/$defs/x%20y"}, {"other.json": {"$defs": {"x y": INTEGER}}}),
        ({"$ref": "other.json#n"}, {"other.json": {"$defs": {"x": {"$anchor": "n", **INTEGER}}}}),
        ({"$id": "http://x.example/a/b", "$ref": "other.json"}, {"other.json": INTEGER}),
        ({"$ref": "other"}, {"other": {"$ref": "third"}, "third": INTEGER}),
        ({"$ref": "http://x.example/o"}, {"other": {"$id": "http://x.example/o", **INTEGER}}),
        # An id in the schema itself comes before a document's name.
        ({"$ref": "o", "$defs": {"x": {"$id": "o", **INTEGER}}}, {"o": {"type": "string"}}),
        # What stands in data has no id and no anchor.
        ({"$ref": "#n", "const": 1, "$defs": {"x": {"$anchor": "n", **INTEGER}}}
         | {"default": {"$anchor": "n", "type": "string"}}, {}),
        ({"$ref": "#/x/y", "$defs": {"i": INTEGER}}
         | {"x": {"$id": "z/", "y": {"$ref": "#/$defs/i"}}}, {}),
        # `id` is a word like another since draft 6, and `$id` before.
        ({"$ref": "#/$defs/x"}
         | {"$defs": {"x": {"id": "z/", "$ref": "#/$defs/i"}, "i": INTEGER}}, {}),
        ({"$schema": DRAFT_4, "allOf": [{"$ref": "#n"}]}
         | {"definitions": {"x": {"id": "#n", **INTEGER}}}, {}),
        ({"$schema": DRAFT_6, "allOf": [{"$ref": "#n"}]}
         | {"definitions": {"x": {"$id": "#n", **INTEGER}}}, {}),
        # Up to draft 7 nothing beside a reference counts, an id included.
        ({"$schema": DRAFT_7, "allOf": [{"$id": "z/", "type": "string", "$ref": "#/definitions/x"}]}
         | {"definitions": {"x": INTEGER}}, {}),
        ({"$schema": DRAFT_2019, "$ref": "#n", "$defs": {"x": {"$anchor": "n", **INTEGER}}}, {}),
    ],
)  # fmt: skip
def test_every_way_to_refer_to_an_integer_does(body: dict[str, Any], named: dict[str, Any]) -> None:
    validator = compile_validator(body, resources=named)
    assert validator.is_valid(1)
    assert not validator.is_valid("1")
    documents = Documents(body, named)
    location: SchemaLocation | None = documents.top
    while location is not None and "type" not in location.keywords:
        [location] = documents.targets(location) or location.applied_parts("allOf")
    assert location is not None
    assert location.keywords["type"] == "integer"


@pytest.mark.parametrize(
    "body",
    [
        {"$ref": "#n"},
        {"$ref": "#/$defs/x"},
        {"$ref": "elsewhere.json"},
        {"$ref": "http://[no-uri"},
        {"$ref": ["#"]},
        # A name that two have names neither.
        {"$ref": "#n", "$defs": {"x": {"$anchor": "n"}, "y": {"$anchor": "n"}}},
        {"$ref": "x", "$defs": {"x": {"$id": "x"}, "y": {"$id": "x"}}},
        {"$dynamicRef": "#n"}
        | {"$defs": {"x": {"$dynamicAnchor": "n"}, "y": {"$id": "y", "$dynamicAnchor": "n"}}},
        # No anchors in this draft.
        {"$schema": DRAFT_7, "$ref": "#n", "definitions": {"x": {"$anchor": "n"}}},
    ],
)
def test_a_reference_that_leads_nowhere_or_to_several_is_left_open(body: dict[str, Any]) -> None:
    documents = Documents(body)
    assert documents.targets(documents.top) == [None]


@pytest.mark.parametrize("again", [{"const": "old"}, {"const": "new", "$anchor": "n"}])
def test_the_id_of_the_schema_means_itself_also_where_a_reference_brings_it_again(
    again: dict[str, Any],
) -> None:
    """As in a cycle of documents; the engine reads it so."""
    root = {"$id": "https://x.example/a", "$ref": "b", "$anchor": "n", "$defs": {"c": {"const": 1}}}
    for reference in ("a", "a#n", "https://x.example/a"):
        other = {"$id": "https://x.example/b", "anyOf": [{"$ref": reference}, {"type": "null"}]}
        named = {"a": {"$id": "https://x.example/a", **again}, "b": other}
        documents = Documents(root, named)
        [b] = documents.targets(documents.top)
        assert b is not None
        assert documents.follow(b.applied_parts("anyOf")[0]) == documents.top


@pytest.mark.timeout(20)  # a square of these numbers takes minutes
def test_a_hostile_schema_is_read_in_time_that_grows_like_its_size() -> None:
    """Chains, circles and fans of references, each id under a base of its own."""
    definitions: dict[str, Any] = {
        f"d{n}": {"$id": f"d{n}/", "anyOf": [{"$ref": f"../d{n + 1}/"}, {"$ref": f"../d{n + 1}/"}]}
        for n in range(2000)
    }
    definitions["d2000"] = {"$id": "d2000/", "$ref": "../d0/"}
    body = {"$ref": "d0/", "$defs": definitions}
    documents = Documents(body)
    assert is_recursive(documents)
    location: SchemaLocation | None = documents.top
    for _ in range(3000):
        assert location is not None
        location = (location.applied_parts("anyOf") or [location])[0]
        location = documents.follow(location)
