"""Runs of inspect_ai with a model whose outputs are given."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from unittest.mock import patch

from inspect_ai import Task
from inspect_ai import eval as run_eval
from inspect_ai._util.logger import LogHandler
from inspect_ai.log import EvalLog
from inspect_ai.model import ModelOutput, ModelUsage, _assistant_internal, get_model

__all__ = ["ANSWER", "OUTPUTS", "model", "run"]

ANSWER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OUTPUTS = ['{"city": "Paris"}', '{"town": "Rome"}', "Berlin, I think"]


def model(*outputs: str | ModelOutput) -> Any:
    def output(given: str | ModelOutput) -> ModelOutput:
        made = given
        if isinstance(made, str):
            made = ModelOutput.from_content("mockllm/model", made)
        # Without it inspect_ai counts tokens with a table that it would fetch.
        made.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return made

    return get_model("mockllm/model", custom_outputs=[output(given) for given in outputs])


def run(
    task: Task,
    tmp_path: Path,
    *outputs: str | ModelOutput,
    form: Any = "eval",
    status: str = "success",
    **kwargs: Any,
) -> EvalLog:
    # Each sample would ready itself for OpenAI's and Anthropic's models, whose clients take seconds
    # to import.
    with patch.multiple(_assistant_internal, _HAS_OPENAI=False, _HAS_ANTHROPIC=False):
        [log] = run_eval(
            task,
            model=model(*(outputs or OUTPUTS)),
            log_dir=str(tmp_path / "logs"),
            display="none",
            max_samples=1,
            log_format=form,
            **kwargs,
        )
    _leave_other_tests_alone()
    assert log.status == status, log.error
    return log


def _leave_other_tests_alone() -> None:
    """inspect_ai would render, and keep, all that is logged in this process from now on."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, LogHandler):
            root.removeHandler(handler)
