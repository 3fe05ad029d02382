"""The typer application: every subcommand by its name."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from llm_integrations.core import __version__
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
    proxy,
    quarantine,
    results,
    show,
    webhook,
)
from llm_integrations.core.cli.commands.writing import folders, models, register, removing
from llm_integrations.core.cli.connection import with_registry_options

__all__ = ["app"]

app = typer.Typer(
    name="llm-integrations",
    help="One contract, a JSON Schema in a registry, at every stage of an LLM system.\n\n"
    "The registry is --registry, or LLM_INTEGRATIONS_REGISTRY_URL: a folder, file://…, "
    "http(s)://… (Confluent API), llm+http(s)://… (LLM Schema Registry), "
    "apicurio+http(s)://host/group (Apicurio's own API), glue://region/registry (AWS Glue) or "
    "s3://bucket/folder (only read).\n\n"
    "Exit codes: 0 all is well, 1 data or schemas are not, 2 the call or the registry failed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"llm-integrations {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001 - its callback acts on it
        bool,
        typer.Option("--version", help="Print it.", is_eager=True, callback=_print_version),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log, and show where an error comes from.")
    ] = False,
) -> None:
    """What holds for every command."""
    if verbose:
        os.environ["LLM_INTEGRATIONS_VERBOSE"] = "1"
        logging.basicConfig(level=logging.INFO)


app.command("check")(with_registry_options(check.check))
app.command("infer")(with_registry_options(infer.infer))
app.command("init")(folders.init)
app.command("import")(with_registry_options(folders.import_schemas))
app.command("push")(with_registry_options(folders.push))
app.command("pull")(with_registry_options(folders.pull))
app.command("register")(with_registry_options(register.register))
app.command("deprecate")(with_registry_options(removing.deprecate))
app.command("delete")(with_registry_options(removing.delete))
app.command("list")(with_registry_options(listing.list_subjects))
app.command("show")(with_registry_options(show.show))
app.command("doctor")(with_registry_options(doctor.doctor))
app.command("diff")(with_registry_options(diff.diff))
app.command("compat")(with_registry_options(compat.compat))
app.command("guide")(with_registry_options(guide.guide))
app.command("drift")(with_registry_options(drift.drift))
app.command("proxy")(proxy.proxy)  # it has a certificate and a key of its own
app.command("listen")(with_registry_options(listen.listen))

app.add_typer(models.app, name="models")
app.add_typer(pin.app, name="pin")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(results.app, name="results")

webhooks = typer.Typer(help="Send and receive schema events over HTTP.", no_args_is_help=True)
webhooks.command("serve")(webhook.serve)
webhooks.command("replay")(webhook.replay)
app.add_typer(webhooks, name="webhook")
