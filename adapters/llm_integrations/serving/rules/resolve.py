"""From a reference to the schema that this request is judged by."""

from __future__ import annotations

from llm_integrations.core.errors import (
    InvalidSchema,
    LLMIntegrationsError,
    RegistryAuthError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.judge import Judge
from llm_integrations.core.observability import UNKNOWN_SUBJECT, VALIDATION_TOTAL, get_logger
from llm_integrations.core.validation import Validator
from llm_integrations.serving.rules.named import Named
from llm_integrations.serving.shapes.failure import Refused, bad_request, unavailable

__all__ = ["count_unjudged", "pass_unjudged", "raises", "resolve"]

log = get_logger(__name__)


async def resolve(judge: Judge, named: Named) -> Validator | None:
    """The schema in force; None when there is none and the data passes, counted as unjudged.

    Raises:
        Refused: 503 when there is none and data may not pass; 400 when the client named a schema
            that does not exist.
    """
    try:
        return await judge.aresolve(named.reference)
    except (RegistryUnavailable, RegistryAuthError, RegistryProtocolError) as error:
        raise Refused(unavailable(error)) from None
    except (SchemaNotFound, InvalidSchema) as error:
        if named.by is not None:
            message = f"{named.by}: there is no schema {named.reference}"
            raise Refused(bad_request(message, named.by)) from None
        _broken_rule(judge, named, error)
    except RegistryError as error:
        _broken_rule(judge, named, error)
    return None


def raises(judge: Judge) -> bool:
    """Whether data that nobody can judge is refused."""
    return (judge.on_unavailable or ("raise" if judge.mode == "enforce" else "pass")) == "raise"


def count_unjudged(judge: Judge) -> None:
    VALIDATION_TOTAL.labels(judge.module, UNKNOWN_SUBJECT, judge.side, "unjudged").inc()


def pass_unjudged(judge: Judge, why: str) -> None:
    """Count an answer, or a part of one, that nobody can judge."""
    count_unjudged(judge)
    log.warning("%s output passed no judge: %s", judge.module, why)


def _broken_rule(judge: Judge, named: Named, error: LLMIntegrationsError) -> None:
    """The rule's own schema has gone: an operator must hear of it, whatever the mode."""
    what = f"{judge.module} {judge.side}"
    log.error("%s cannot be judged by %s: %s", what, named.reference, error)
    count_unjudged(judge)
    if raises(judge):
        raise Refused(unavailable(error))
