"""Where invalid answers are set aside."""

from __future__ import annotations

from pydantic import Field

from llm_integrations.serving.config.section import Section

__all__ = ["QuarantineConfig"]


class QuarantineConfig(Section):
    """A folder for the answers that were invalid, with the reasons."""

    folder: str = Field(min_length=1, description="Made with mode 0700 when it is first needed.")
    redact: bool = Field(
        default=True,
        description="Leave out the data: what is written says what was wrong, where, and how long "
        "it was. false writes the answers and the requests as well.",
    )
    max_bytes: int = Field(
        default=256 * 2**20, ge=1, description="Once the folder holds more, no more is written."
    )
