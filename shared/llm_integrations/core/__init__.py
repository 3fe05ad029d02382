"""What no framework is needed for; ``docs/architecture.md`` shows its rooms and floors."""
