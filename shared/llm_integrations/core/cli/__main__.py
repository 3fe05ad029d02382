"""``python -m llm_integrations.core.cli``."""

from llm_integrations.core.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
