"""A schema changes: one change is refused, another gets a migration guide."""

from __future__ import annotations

from rich.markdown import Markdown
from rich.markup import escape

from demo.stage import Stage, schema_document
from llm_integrations.core.errors import IncompatibleSchema
from llm_integrations.core.evolution import migration_guide


def run(stage: Stage) -> None:
    with stage.step("user-profile changes: what breaks is refused, with a proof"):
        try:
            stage.registry.register("user-profile", schema_document("user-profile-refused"))
        except IncompatibleSchema as error:
            stage.say(f"[red]refused[/]  {escape(str(error))}")
        old = stage.registry.get("user-profile@1")
        new = stage.registry.register("user-profile", schema_document("user-profile-2"))
        stage.say(f"[green]registered[/]  {new}")
        guide = migration_guide(old, new).to_markdown()
        path = stage.folder / "user-profile-1-to-2.md"
        path.write_text(guide, "utf-8")
        stage.say(Markdown("\n".join(guide.splitlines()[:24])), "[dim]…[/]")
        stage.files["migration guide"] = path
