"""The engine that evaluates CEL: Google's own (cel-expr-python), loaded on first use."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from llm_integrations.core.extras import require_extra
from llm_integrations.core.validation.rules.formats import format_checks

__all__ = ["Failure", "Program", "compile_program"]

_NOW: Final = "now"
_compiling = threading.Lock()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no verdict.

    Attributes:
        text: without data.
        detail: in the engine's words, which may quote data.
        is_of_data: whether the engine did not take the data as it was.
    """

    text: str
    detail: str = ""
    is_of_data: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression.

    Attributes:
        serialized: the expression as cel.expr.CheckedExpr, in an Any.
    """

    expression: Any
    serialized: bytes
    asks_time: bool

    def verdict(self, message: Any) -> bool | Failure:
        """What the expression says of JSON types; anything but a boolean is a Failure."""
        data = {"message": message}
        if self.asks_time:
            data[_NOW] = datetime.now(UTC)
        try:
            found = self.expression.eval(data=data)
        except Exception as error:  # noqa: BLE001 - of whatever kind the engine raises
            return _failure(str(error))
        value = found.value()
        if value is True or value is False:
            return value
        kind = found.type().name()
        if kind == "ERROR":
            return _failure(str(value))
        return Failure(f"it yields no verdict but a value of type {kind[:40].lower()}")


def _failure(message: str) -> Failure:
    """The engine's error in words that hold no data."""
    code, _, detail = message.partition(": ")
    if code == "NOT_FOUND":
        return Failure("it asks for a field or key that is not there", detail)
    if "Iteration budget" in detail:
        return Failure("it was given up after 10,000 rounds of its loops", detail)
    if detail.startswith("No matching overloads found"):  # names types, not values
        signature = detail.rpartition(" : ")[2][:120]
        return Failure(f"it does what these types do not allow, {signature}", detail)
    # Without a code of its own the engine failed at turning Python into CEL.
    is_of_data = code == "INVALID_ARGUMENT" or not code.isupper()
    return Failure("it could not be evaluated", detail, is_of_data=is_of_data)


def compile_program(expression: str) -> Program:
    """Raises ValueError with the reason, and MissingExtra."""
    asks_time = _NOW in expression
    with _compiling:  # nothing says that the environment may be shared
        try:
            compiled = _environment(asks_time).compile(expression)
            return Program(compiled, compiled.serialize(), asks_time)
        except RuntimeError as error:
            raise ValueError(_first_reason(str(error))) from None


def _first_reason(message: str) -> str:
    """The first line, which quotes no more than the expression."""
    line = message.partition("\n")[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ")
    return " ".join(line.split())[:200]


@cache
def _environment(asks_time: bool) -> Any:
    """What an expression may name: ``message``, Confluent's functions, and ``now`` if it does."""
    require_extra("cel", "cel_expr_python")
    from cel_expr_python import cel

    functions = [
        cel.FunctionDecl(
            name,
            [
                cel.Overload(
                    f"string_{name}",
                    return_type=cel.Type.BOOL,
                    parameters=[cel.Type.STRING],
                    is_member=True,
                    impl=check,
                )
            ],
        )
        for name, check in format_checks().items()
    ]
    variables = {"message": cel.Type.DYN}
    if asks_time:
        variables[_NOW] = cel.Type.TIMESTAMP
    return cel.NewEnv(variables=variables, functions=functions)
