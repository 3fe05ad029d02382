"""A folder becomes a registry."""

from __future__ import annotations

from rich.table import Table

from demo.stage import Stage, schema_document


def run(stage: Stage) -> None:
    with stage.step("Schemas go into a registry: a folder that a team keeps in git"):
        stage.registry.register(
            "user-profile", schema_document("user-profile-1"), metadata={"owner": "team-prompts"}
        )
        stage.registry.register(
            "flight", schema_document("flight-1"), metadata={"owner": "team-data"}
        )
        table = Table("subject", "version", "owner", "fingerprint", box=None)
        for subject in stage.registry.subjects():
            schema = stage.registry.get(subject)
            table.add_row(subject, str(schema.version), schema.owner, schema.fingerprint[:12])
        stage.say(table)
        stage.files["schemas"] = stage.folder / "schemas"
