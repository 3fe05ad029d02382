"""The subcommands, one module each."""

from __future__ import annotations

import typer

from llm_integrations.core.cli.commands import (
    check,
    compat,
    diff,
    doctor,
    drift,
    guide,
    infer,
    listen,
    listing,
    pin,
    quarantine,
    register,
    show,
    webhook,
)
from llm_integrations.core.cli.connection import reaching

__all__ = ["app"]

app = typer.Typer(
    name="llm-integrations",
    help="One contract, a JSON Schema in a registry, at every stage of an LLM system.\n\n"
    "The registry is --registry, or LLM_INTEGRATIONS_REGISTRY_URL: a folder, file://…, "
    "http(s)://… (Confluent API), llm+http(s)://… (LLM Schema Registry) or glue://region/registry "
    "(AWS Glue).\n\n"
    "Exit codes: 0 all is well, 1 data or schemas are not, 2 the call or the registry failed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

app.command("check")(reaching(check.check))
app.command("infer")(reaching(infer.infer))
app.command("register")(reaching(register.register))
app.command("list")(reaching(listing.list_subjects))
app.command("show")(reaching(show.show))
app.command("doctor")(reaching(doctor.doctor))
app.command("diff")(reaching(diff.diff))
app.command("compat")(reaching(compat.compat))
app.command("guide")(reaching(guide.guide))
app.command("drift")(reaching(drift.drift))
app.command("listen")(reaching(listen.listen))

app.add_typer(pin.app, name="pin")
app.add_typer(quarantine.app, name="quarantine")

webhooks = typer.Typer(help="Send and receive schema events over HTTP.", no_args_is_help=True)
webhooks.command("serve")(webhook.serve)
webhooks.command("replay")(webhook.replay)
app.add_typer(webhooks, name="webhook")
