"""How two schemas are compared: the options that ``diff``, ``compat``, ``guide`` and ``register``
share."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llm_integrations.core.config import ValidationOptions

if TYPE_CHECKING:
    from llm_integrations.core.evolution import Limits

__all__ = ["LimitsText", "PolicyName", "RegexMode", "limits_of", "policy_of", "validation_of"]

PolicyName = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="strict, or lenient: properties that nobody declared are taken as absent. Without it "
        "diff and compat are strict; guide, and register in a folder, are lenient.",
        show_default=False,
    ),
]
RegexMode = Annotated[
    str,
    typer.Option(
        "--regex", help="linear refuses lookaround in patterns, bounded judges it under a limit."
    ),
]
LimitsText = Annotated[
    str | None,
    typer.Option(
        "--limits",
        help="What a comparison may cost, as steps=1000000,nodes=200000,depth=200.",
        show_default=False,
    ),
]


def policy_of(name: str | None) -> Literal["strict", "lenient"] | None:
    """The policy that was named; None where the command has its own."""
    match name:
        case None | "strict" | "lenient":
            return name
    raise typer.BadParameter(f"strict or lenient, not {name!r}", param_hint="--policy")


def validation_of(regex: str) -> ValidationOptions:
    """How patterns are judged."""
    match regex:
        case "linear" | "bounded":
            return ValidationOptions(regex=regex)
    raise typer.BadParameter(f"linear or bounded, not {regex!r}", param_hint="--regex")


def limits_of(text: str | None) -> Limits | None:
    """The limits that a text names, as ``steps=1000000,nodes=200000``; the others stay."""
    if text is None:
        return None
    from llm_integrations.core.evolution import Limits

    known = [field.name for field in fields(Limits)]
    chosen: dict[str, Any] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name.strip() not in known:
            allowed = ", ".join(f"{name}=N" for name in known)
            raise typer.BadParameter(f"{part!r} is none of {allowed}", param_hint="--limits")
        chosen[name.strip()] = _number(part, number, name.strip() == "seconds")
    return replace(Limits(), **chosen)


def _number(part: str, text: str, is_fraction: bool) -> float:
    try:
        number = float(text) if is_fraction else int(text.replace("_", ""))
    except ValueError:
        number = 0
    if number <= 0:
        raise typer.BadParameter(f"{part!r} needs a number above 0", param_hint="--limits")
    return number
