"""``$ref`` reaches the schema itself and the references it was given. Nothing else is ever read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.validation import compile_validator

ADDRESS: dict[str, Any] = {
    "type": "object",
    "properties": {"street": {"type": "string"}, "country": {"$ref": "country.json"}},
    "required": ["street"],
}
COUNTRY: dict[str, Any] = {"enum": ["AT", "CH", "DE"]}
GOOD = {"home": {"street": "Ring 1", "country": "AT"}}
BAD = {"home": {"street": "Ring 1", "country": "XX"}}


class Library:
    """A web server that would answer any request with a schema, and counts them."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"type": "string"}')

            def log_message(self, format: str, *args: Any) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    library = Library()
    yield library
    library.close()


def schemas_that_point_to(url: str) -> dict[str, Any]:
    return {
        "a reference": {"$ref": f"{url}/a"},
        "a reference deep inside": {"properties": {"a": {"items": {"$ref": f"{url}/a#/$defs/x"}}}},
        "a dynamic reference": {"$dynamicRef": f"{url}/a"},
        "a relative reference under an $id": {"$id": f"{url}/root", "$ref": "other"},
        "a draft 7 reference": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"a": {"$ref": f"{url}/a"}},
            "$ref": "#/definitions/a",
        },
        "an unknown meta-schema": {"$schema": f"{url}/meta"},
        "an unknown meta-schema inside": {
            "$defs": {"a": {"$id": f"{url}/inner", "$schema": f"{url}/meta", "$ref": "more"}},
            "$ref": "#/$defs/a",
        },
    }


@pytest.mark.parametrize("case", schemas_that_point_to(""))
def test_no_schema_makes_us_ask_the_network(library: Library, case: str) -> None:
    body = schemas_that_point_to(library.url)[case]
    with pytest.raises(InvalidSchema):
        compile_validator(body)
    assert library.requests == []


@pytest.mark.parametrize("case", schemas_that_point_to(""))
def test_no_referenced_schema_makes_us_ask_the_network(library: Library, case: str) -> None:
    body = schemas_that_point_to(library.url)[case]
    with pytest.raises(InvalidSchema):
        compile_validator({"$ref": "other.json"}, resources={"other.json": body})
    assert library.requests == []


def test_what_only_looks_like_a_reference_is_not_followed_either(library: Library) -> None:
    old = {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$recursiveRef": f"{library.url}/a",
    }
    compile_validator(old).is_valid({"a": 1})
    compile_validator({"enum": [{"$ref": f"{library.url}/a"}]}).is_valid(1)
    compile_validator({"format": "uri"}).is_valid(f"{library.url}/a")
    assert library.requests == []


def test_the_library_would_have_answered(library: Library) -> None:
    """Shows that the tests above can fail."""
    import urllib.request

    with urllib.request.urlopen(f"{library.url}/seen") as answer:
        assert answer.read() == b'{"type": "string"}'
    assert library.requests == ["/seen"]
    library.requests.clear()


def test_no_schema_makes_us_read_a_file(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"type": "string"}')
    for reference in (other.as_uri(), str(other), f"{other.as_uri()}#/type"):
        with pytest.raises(InvalidSchema, match="not among the schema's references"):
            compile_validator({"$ref": reference})


def test_the_error_names_the_reference_that_is_missing() -> None:
    with pytest.raises(InvalidSchema, match=r"person@1 cannot be used: .*'address\.json'"):
        compile_validator({"$ref": "address.json"}, reference="person@1")


def test_a_pointer_that_leads_nowhere_is_named() -> None:
    with pytest.raises(InvalidSchema, match=r"leads nowhere: the pointer '/\$defs/name'"):
        compile_validator({"$ref": "#/$defs/name"})


def test_references_of_references_are_found_in_one_set() -> None:
    validator = compile_validator(
        {"properties": {"home": {"$ref": "address.json"}}},
        resources={"address.json": ADDRESS, "country.json": COUNTRY},
    )
    assert validator.is_valid(GOOD)
    assert not validator.is_valid(BAD)


@pytest.mark.parametrize(
    "name",
    [
        "address.json",
        "com.example.address",
        "schemas/v1/address.json",
        "https://example.com/schemas/address.json",
        "urn:example:address",
    ],
)
def test_a_reference_may_have_any_name(name: str) -> None:
    validator = compile_validator(
        {"properties": {"home": {"$ref": name}}},
        resources={name: {"type": "object", "required": ["street"]}},
    )
    assert validator.is_valid({"home": {"street": "Ring 1"}})
    assert not validator.is_valid({"home": {}})


def test_a_name_means_the_same_under_every_id() -> None:
    """Registries give names to references; an ``$id`` must not move them elsewhere."""
    validator = compile_validator(
        {
            "$id": "https://example.com/people/person.json",
            "properties": {"home": {"$ref": "address.json"}},
        },
        resources={
            "address.json": {"$id": "https://elsewhere.org/x/address.json", **ADDRESS},
            "country.json": COUNTRY,
        },
    )
    assert validator.is_valid(GOOD)
    assert not validator.is_valid(BAD)


def test_a_part_of_a_referenced_schema_can_be_meant() -> None:
    validator = compile_validator(
        {"properties": {"home": {"$ref": "types.json#/$defs/address"}}},
        resources={"types.json": {"$defs": {"address": {"required": ["street"]}}}},
    )
    assert validator.is_valid({"home": {"street": "Ring 1"}})
    assert not validator.is_valid({"home": {}})


def test_schemas_that_refer_to_each_other_are_one_recursive_schema() -> None:
    validator = compile_validator(
        {"$ref": "node.json"},
        resources={
            "node.json": {"properties": {"children": {"$ref": "nodes.json"}}},
            "nodes.json": {"type": "array", "items": {"$ref": "node.json"}},
        },
    )
    assert validator.is_valid({"children": [{"children": []}]})
    assert not validator.is_valid({"children": [{"children": 5}]})


def test_each_schema_is_read_in_its_own_draft() -> None:
    old = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "minimum": 5,
        "exclusiveMinimum": True,
    }
    validator = compile_validator({"$ref": "old.json"}, resources={"old.json": old})
    assert not validator.is_valid(5)
    assert validator.is_valid(6)


def test_the_schema_path_of_a_violation_names_the_referenced_schema() -> None:
    validator = compile_validator(
        {"properties": {"home": {"$ref": "address.json"}}},
        resources={"address.json": ADDRESS, "country.json": COUNTRY},
    )
    (error,) = validator.validate(BAD).errors
    assert (error.path, error.schema_path) == ("/home/country", "country.json#/enum")


def test_a_reference_that_is_no_schema_is_an_error() -> None:
    with pytest.raises(InvalidSchema, match="not a JSON document"):
        compile_validator({"$ref": "a"}, resources={"a": {"enum": [float("nan")]}})
