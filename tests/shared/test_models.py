"""Classes as contracts: their schemas are registered, compared and judged by, and come back."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, computed_field
from typer.testing import CliRunner
from typing_extensions import TypeAliasType, TypedDict

from llm_integrations.core.cli.app import app
from llm_integrations.core.contract import contract_of
from llm_integrations.core.errors import ConfigurationError, InvalidSchema
from llm_integrations.core.evolution import check_compatibility, diff
from llm_integrations.core.models import (
    compare_model,
    load_model,
    model_of,
    schema_of,
    subject_of,
)
from llm_integrations.core.models.code import code_of
from llm_integrations.core.models.field_schema import field_schema
from llm_integrations.core.registry import connect
from llm_integrations.core.testing import assert_model_matches

T = TypeVar("T")


class UserProfile(BaseModel):
    """A user of the product."""

    model_config = ConfigDict(json_schema_extra={"x-owner": "team-a"})

    name: str
    age: int | None = None

    @computed_field
    def initial(self) -> str:
        return self.name[:1]


class NextProfile(UserProfile):
    email: str


class Page(BaseModel, Generic[T]):
    items: list[T]


@dataclasses.dataclass
class Point:
    x: int


class Row(TypedDict):
    x: int


class Record(msgspec.Struct):
    """A record."""

    x: int


@attrs.define
class Item:
    x: int


def older() -> Any:
    from pydantic import v1

    return v1.create_model("Older", x=(int, ...))


CLASSES: list[Any] = [Point, Row, Record, Item, Page[int], TypeAdapter(Point), older()]
NAMES = ["dataclass", "TypedDict", "msgspec", "attrs", "generic", "adapter", "pydantic 1"]


class Reply(msgspec.Struct, tag="reply", rename="camel"):
    cost_in_euro: Decimal
    raw: bytes = b"a"
    note: str | msgspec.UnsetType = msgspec.UNSET


class Asked(msgspec.Struct, tag="asked"):
    by: Any = None
    raw: int | UserProfile = 1


class Pair(msgspec.Struct, array_like=True, tag=True):
    left: int
    right: Reply | None = None


@pytest.mark.parametrize(
    ("model", "instance"),
    [
        (Reply, Reply(Decimal("1.5"))),
        (Pair, Pair(1, Reply(Decimal(2)))),
        (list[Reply], [Reply(Decimal(1), note="x")]),
    ],
    ids=["tagged and renamed", "array", "nested"],
)
def test_an_instance_of_a_struct_is_judged_as_msgspec_writes_it(model: Any, instance: Any) -> None:
    with connect("memory://") as registry:
        schema = registry.register("reply", model)
        assert registry.validate(schema.ref, instance).errors == ()


def test_a_struct_keeps_its_tag_where_another_field_is_no_json() -> None:
    body = {"required": ["type"], "properties": {"raw": {"required": ["name"]}}}
    with connect("memory://") as registry:
        schema = registry.register("asked", body)
        assert registry.validate(schema.ref, Asked(by=print, raw=UserProfile(name="Ada")))


@pytest.mark.parametrize("model", CLASSES, ids=NAMES)
def test_the_schema_of_any_kind_of_class_judges(model: Any) -> None:
    with connect("memory://") as registry:
        schema = registry.register("s", model)
        good: dict[str, Any] = {"items": [1]} if model is Page[int] else {"x": 1}
        assert registry.validate(str(schema.ref), good)
        assert not registry.validate(str(schema.ref), {"x": "one", "items": 1})


async def test_a_class_is_registered_with_its_name_its_words_and_its_owner() -> None:
    with connect("memory://") as registry:
        schema = await registry.aio.register("user-profile", UserProfile)
        assert schema.body == UserProfile.model_json_schema()
        assert schema.owner == "team-a"
        assert schema.metadata["description"] == "A user of the product."
        assert schema.metadata["model"] == f"{__name__}:UserProfile"
        assert schema.metadata["mode"] == "validation"
        assert registry.register("user-profile", UserProfile).version == 1
        again = registry.register("other", UserProfile, metadata={"owner": "team-b"})
        assert again.owner == "team-b"


def test_the_mode_says_which_data_of_a_model_is_meant() -> None:
    with connect("memory://") as registry:
        read = registry.register("read", UserProfile)
        written = registry.register("written", UserProfile, mode="serialization")
        assert "initial" not in str(read.body)
        assert "initial" in str(written.body)
        assert written.metadata["mode"] == "serialization"
        with pytest.raises(ConfigurationError, match="mode must be"):
            registry.register("s", UserProfile, mode="both")  # type: ignore[arg-type]


def test_classes_are_compared_as_schemas_are() -> None:
    with connect("memory://") as registry:
        registry.register("user-profile", UserProfile)
        assert registry.check_compatibility("user-profile", UserProfile)
        report = registry.check_compatibility("user-profile", NextProfile)
        assert not report
        assert "email" in str(report.messages)
    assert [change.path for change in diff(UserProfile, NextProfile) if change.is_breaking]
    assert not check_compatibility(NextProfile, [UserProfile])


def test_a_reference_is_judged_by_a_class_without_any_registry() -> None:
    reference, registry = contract_of(UserProfile)
    assert str(reference) == "user-profile@1"
    assert not registry.validate(reference, {"name": 1})
    with pytest.raises(ConfigurationError, match=r"registry\.register\('user-profile'"):
        contract_of(UserProfile, "memory://")


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("UserProfile", "user-profile"),
        ("HTTPRequest", "http-request"),
        ("V2Answer", "v2-answer"),
        ("chat", "chat"),
        ("_Private", "private"),
    ],
)
def test_a_class_has_a_subject_of_its_own_name(name: str, subject: str) -> None:
    assert subject_of(type(name, (), {})) == subject


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(NamedTuple):
    x: int
    name: str = ""


UserId = NewType("UserId", int)
Users = TypeAliasType("Users", list[UserProfile])
Tree2 = TypeAliasType("Tree2", "dict[str, Tree2] | list[Tree2] | int")


@dataclasses.dataclass
class Holder:
    item: Item


def test_an_instance_is_told_that_its_class_is_meant() -> None:
    instances = [UserProfile(name="a"), Point(1), Record(1), Item(1), older()(x=1), Colour.RED]
    for instance in instances:
        name = type(instance).__name__
        with pytest.raises(InvalidSchema, match=f"an instance of {name}: the class is meant"):
            schema_of(instance)


def test_a_path_is_read_and_text_that_means_one_is_told_so(tmp_path: Path) -> None:
    json_file, yaml_file = tmp_path / "user.json", tmp_path / "user.YAML"
    json_file.write_text('{"type": "object"}')
    yaml_file.write_text("type: object")
    with connect("memory://") as registry:
        assert registry.register("a", json_file).body == {"type": "object"}
        assert registry.lookup("a", yaml_file).version == 1
        assert registry.check_compatibility("chat", "openai-chat")
        with pytest.raises(ConfigurationError, match=r"the schema in a file is Path\('user.json'"):
            registry.register("a", "user.json")
        with pytest.raises(ConfigurationError, match=r"read by json.loads"):
            registry.register("a", '{"type": "object"}')
        with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
            registry.check_compatibility("a", tmp_path / "usr.json")
    ref, private = contract_of(json_file)
    assert not private.validate(ref, 5)


def test_a_version_where_a_schema_is_meant_is_told_where_its_schema_is() -> None:
    with connect("memory://") as registry:
        version = registry.register("a", {"type": "object"})
        for given in (version, version.ref):
            with pytest.raises(InvalidSchema, match=r"registry\.get\(…\)\.body"):
                registry.register("b", given)


def test_a_type_adapter_is_known_by_what_it_is_made_of() -> None:
    with connect("memory://") as registry:
        metadata = registry.register("users", TypeAdapter(list[UserProfile])).metadata
    assert metadata == {"model": f"list[{__name__}.UserProfile]", "mode": "validation"}


def test_an_instance_of_an_older_pydantic_is_judged_as_it_writes_itself() -> None:
    with connect("memory://") as registry:
        ref = registry.register("older", older()).ref
        assert registry.validate(ref, older()(x=1))


class Calls(BaseModel):
    call: Callable[[int], int]


@pytest.mark.parametrize("wrong", [int, list, object(), 5, None, Exception, Calls])
def test_what_has_no_schema_is_refused_by_its_name(wrong: Any) -> None:
    with connect("memory://") as registry, pytest.raises(InvalidSchema) as refused:
        registry.register("s", wrong)
    name = wrong.__name__ if isinstance(wrong, type) else type(wrong).__name__
    assert name in str(refused.value)


def test_a_model_that_says_something_else_than_its_version_fails_a_test(tmp_path: Path) -> None:
    with connect(tmp_path) as registry:
        registry.register("user-profile", UserProfile)
        assert_model_matches(UserProfile, "user-profile", registry)
        assert not compare_model(UserProfile, registry.get("user-profile"))
        with pytest.raises(pytest.fail.Exception, match=r"(?s)user-profile@1.*email"):
            assert_model_matches(NextProfile, "user-profile", registry)


def test_words_that_judge_nothing_may_differ() -> None:
    class Retitled(UserProfile):
        """Other words."""

        model_config = ConfigDict(title="Other", json_schema_extra={})

    with connect("memory://") as registry:
        registered = registry.register("user-profile", UserProfile)
        assert not compare_model(Retitled, registered)


CHAT: Any = {
    "type": "object",
    "properties": {
        "role": {"enum": ["user", "assistant"]},
        "content": {"type": "string", "minLength": 1},
        "meta": {"type": "object", "additionalProperties": {"type": "integer"}},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "uniqueItems": True},
    },
    "required": ["role"],
    "$defs": {"part": {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}},
}


def test_a_class_of_a_version_has_its_fields_and_is_judged_by_all_of_it() -> None:
    with connect("memory://") as registry:
        registry.register("com.example.chat-turn", CHAT)
        turn: Any = registry.model("com.example.chat-turn@1")
        assert turn.__name__ == "ChatTurn"
        assert str(turn.schema_ref) == "com.example.chat-turn@1"
        made = turn.model_validate({"role": "user", "parts": [{"n": 1}], "meta": {"a": 1}})
        assert (made.role, made.parts[0].n, made.meta) == ("user", 1, {"a": 1})
        with pytest.raises(ValidationError, match="/parts"):  # uniqueItems, which no field says
            turn.model_validate({"role": "user", "parts": [{"n": 1}, {"n": 1}]})
        assert any("parts" in loss for loss in turn.schema_losses)


async def test_a_class_comes_by_coroutine_too_and_may_hold_any_value() -> None:
    with connect("memory://") as registry:
        registry.register("words", {"type": "array", "items": {"type": "string"}})
        words: Any = await registry.aio.model("words@1")
        assert words.model_validate(["a"]).root == ["a"]
        with pytest.raises(ValidationError):
            words.model_validate([1])


@given(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"])},
        optional={
            "content": st.text(min_size=1),
            "meta": st.dictionaries(st.text(), st.integers(0, 9)),
            "parts": st.lists(
                st.fixed_dictionaries({}, optional={"n": st.none() | st.integers(0, 9)}),
                unique_by=str,
            ),
            "extra": st.booleans(),
        },
    )
)
def test_valid_data_comes_back_from_a_class_as_it_went_in(data: dict[str, Any]) -> None:
    written = _TURN.model_validate(data).model_dump(mode="json", exclude_unset=True)
    assert written == data


def _turn() -> Any:
    registry = connect("memory://")
    schema = registry.register("turn", CHAT)
    return model_of(schema, registry.validator_for(schema))


_TURN = _turn()


FAR = {"properties": {"a": {"$ref": "https://example.com/secret.json"}}}
PROFILE = "from pydantic import BaseModel\nclass UserProfile(BaseModel):\n    name: {}\n"


def test_the_command_writes_classes_that_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas, out = tmp_path / "schemas", tmp_path / "made"
    with connect(schemas) as registry:
        registry.register("com.example.chat-turn", CHAT)
    ran = CliRunner().invoke(app, ["models", "--out", str(out), "-r", str(schemas)])
    assert ran.exit_code == 0, ran.output
    monkeypatch.chdir(out)
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = load_model("com_example_chat_turn:ChatTurn")
    assert made(role="user").role
    with connect(schemas) as registry, pytest.raises(InvalidSchema, match="whole schema"):
        code_of(dataclasses.replace(registry.get("com.example.chat-turn"), body=FAR))


def test_the_command_says_which_class_disagrees(tmp_path: Path) -> None:
    schemas = tmp_path / "schemas"
    run = CliRunner().invoke
    module = tmp_path / "profiles.py"
    module.write_text(PROFILE.format("str"))
    target = f"{module}:UserProfile"
    made = run(app, ["register", "user-profile", target, "-r", str(schemas)])
    assert made.exit_code == 0, made.output
    assert run(app, ["models", "check", target, "-r", str(schemas)]).exit_code == 0
    module.write_text(PROFILE.format("int"))
    ran = run(app, ["models", "check", f"{target}=user-profile@1", "-r", str(schemas)])
    assert ran.exit_code == 1
    assert "user-profile@1" in ran.output
    assert "/properties/name" in ran.output


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("profiles", "package.module:Name"),
        ("no_such_module_here:A", "cannot be imported"),
        ("json:NoSuchName", "json has no NoSuchName"),
        ("missing.py:A", "is no Python file"),
    ],
)
def test_a_class_that_cannot_be_loaded_is_named(path: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        load_model(path)


def test_a_schema_itself_is_given_back() -> None:
    assert schema_of({"type": "string"}) == {"type": "string"}
    assert schema_of(True) is True


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (list[UserProfile], [{"name": "a"}], [{"name": 1}]),
        (UserProfile | None, None, 1),
        (dict[str, UserProfile], {"a": {"name": "a"}}, {"a": {}}),
        (Annotated[UserProfile | list[UserProfile], "either"], [], 1),
        (Literal["a", "b"], "a", "c"),
        (dict[str, list[Record] | None], {"a": [{"x": 1}]}, {"a": [{"x": "one"}]}),
        (list[Item], [{"x": 1}], [{}]),
        (Colour, "red", "pink"),
        (Place, [1, "a"], ["a"]),
        (UserId, 3, "3"),
        (Users, [{"name": "a"}], {}),
        (Tree2, {"a": [{"b": 1}]}, [["a"]]),
        (Annotated[Record | None, "maybe"], {"x": 1}, {"x": "one"}),
        (Holder, {"item": {"x": 1}}, {"item": {"x": "a"}}),
    ],
    ids=[
        "list",
        "union",
        "dict",
        "annotated",
        "literal",
        "Structs",
        "attrs",
        "Enum",
        "NamedTuple",
        "NewType",
        "alias",
        "recursive",
        "optional Struct",
        "dataclass of attrs",
    ],
)
def test_a_type_made_of_classes_is_a_contract(form: Any, good: Any, bad: Any) -> None:
    with connect("memory://") as registry:
        schema = registry.register("form", form)
        assert registry.validate(schema.ref, good)
        assert not registry.validate(schema.ref, bad)
        name = f"{__name__}:{form.__name__}" if isinstance(form, type) else str(form)
        assert schema.metadata["model"] == name


def test_what_an_instance_leaves_out_is_not_written_as_null() -> None:
    inner = {"type": "object", "properties": {"note": {"type": "string"}}}
    body = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "tags": {"type": "array"}, "inner": inner},
        "required": ["name"],
    }
    with connect("memory://") as registry:
        schema = registry.register("loose", body)
        made: Any = registry.model(schema.ref)
        instance = made.model_validate({"name": "Ada", "inner": {}})
        assert registry.validate(schema.ref, instance)
        assert instance.model_dump() == {"name": "Ada", "inner": {}}
        assert made.schema_losses == ()


@dataclasses.dataclass
class Step:
    """A dataclass that contains itself, in a list and as an optional part."""

    name: str
    after: Step | None = None
    parts: list[Step] = dataclasses.field(default_factory=list)


class Tree(msgspec.Struct, tag="tree"):
    left: Tree | None = None


@attrs.define
class Chain:
    link: Chain | None = None


OWN = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#"}}}
ODD_NAMES = {
    "$defs": {
        "a b": {
            "title": "A Tree",
            "type": "object",
            "properties": {
                "kids": {"type": "array", "items": {"$ref": "#/$defs/a%20b"}},
                "meta": {"type": "object", "properties": {"up": {"$ref": "#/$defs/a%20b"}}},
            },
        },
        "None": {"type": "object", "properties": {"none": {"$ref": "#/$defs/None"}}},
    },
    "type": "object",
    "properties": {
        "tree": {"$ref": "#/$defs/a%20b"},
        "none": {"$ref": "#/$defs/None"},
        "again": {"$ref": "#/properties/tree"},
    },
}
INHERITED = {
    "$defs": {
        "base": {"properties": {"id": {"type": "integer"}}, "required": ["id"]},
        "node": {
            "allOf": [
                {"$ref": "#/$defs/base"},
                {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}}},
            ]
        },
    },
    "$ref": "#/$defs/node",
}
SUM = {
    "$defs": {
        "add": {
            "type": "object",
            "properties": {
                "type": {"const": "add"},
                "left": {"$ref": "#/$defs/term"},
                "right": {"$ref": "#/$defs/term"},
            },
            "required": ["type"],
        },
        "number": {"type": "object", "properties": {"type": {"const": "number"}, "is": {}}},
        "term": {"oneOf": [{"$ref": "#/$defs/add"}, {"$ref": "#/$defs/number"}]},
    },
    "type": "object",
    "properties": {"add": {"$ref": "#/$defs/add"}},
}
WIDE = {
    "type": "object",
    "properties": {
        "part": {"type": ["object", "null"], "properties": {"n": {"type": "integer"}}},
        "x": {"x-about": {"$ref": "elsewhere.json"}},
        "any": {"type": "array", "items": True},
    },
}


@pytest.mark.parametrize(
    ("source", "data", "inner"),
    [
        (Step, {"name": "a", "after": {"name": "b"}, "parts": [{"name": "c"}]}, "after.name"),
        (Tree, {"type": "tree", "left": {"type": "tree", "left": None}}, "left.type"),
        (Chain, {"link": {"link": {}}}, "link.link"),
        (OWN, {"v": 1, "next": {"v": 2, "next": {"v": 3}}}, "next.next.v"),
        ({**OWN, "$id": "https://example.com/own"}, {"next": {"v": 2}}, "next.v"),
        (ODD_NAMES, {"tree": {"kids": [{"meta": {"up": {}}}]}, "none": {}}, "tree.kids"),
        (INHERITED, {"id": 1, "child": {"id": 2, "child": {"id": 3, "more": 1}}}, "child.child.id"),
        (SUM, {"add": {"type": "add", "left": {"type": "number", "is": 1}}}, "add.left.is"),
        (WIDE, {"part": None, "any": [1], "x": {}}, "any"),
    ],
    ids=["dataclass", "Struct", "attrs", "root", "id", "names", "allOf", "union", "types"],
)
def test_what_contains_itself_has_a_class_with_fields(source: Any, data: Any, inner: str) -> None:
    with connect("memory://") as registry:
        schema = registry.register("own", source)
        made: Any = registry.model(schema.ref)
        instance = made.model_validate(data)
        assert instance.model_dump(mode="json", exclude_unset=True) == data
        assert registry.validate(schema.ref, instance)
        found = instance
        for name in inner.split("."):
            assert name in type(found).model_fields
            found = getattr(found, name)
        assert not any("no fields" in loss for loss in made.schema_losses)


@pytest.mark.parametrize(
    ("body", "data", "loss"),
    [
        ({"type": "array", "items": {"$ref": "#"}}, [[], [[]]], "further items"),
        ({"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}, "type": "array"}]}, ["a"], "Of"),
        ({"type": "object", "additionalProperties": {"$ref": "#"}}, {"a": {"b": {}}}, "further"),
        (
            {"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"a": {"$ref": "#/$defs/a"}}},
            {},
            "no",
        ),
    ],
    ids=["list", "union", "map", "nothing"],
)
def test_what_no_class_can_contain_is_anything_and_said(body: Any, data: Any, loss: str) -> None:
    with connect("memory://") as registry:
        schema = registry.register("own", body)
        made: Any = registry.model(schema.ref)
        assert made.model_validate(data).model_dump(mode="json") == data
        assert loss in str(made.schema_losses)


def test_an_object_that_was_left_out_is_not_written() -> None:
    part = {"type": "object", "properties": {"n": {"type": "integer"}}}
    with connect("memory://") as registry:
        registry.register("loose", {"type": "object", "properties": {"a": part, "b": {}}})
        made: Any = registry.model("loose@1")
        assert made.model_validate({"b": 1}).model_dump() == {"b": 1}


def test_parts_that_are_all_of_each_other_are_followed_once() -> None:
    """Written out, the last would be followed 2 to the power of 40 times."""
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    last = {"type": "object", "properties": {"n": {"type": "integer"}}}
    body = {"$defs": {**twice, "d40": last}, "$ref": "#/$defs/d0"}
    assert field_schema(body, "Own")["$defs"]["Own"]["properties"] == {"n": {"type": "integer"}}
