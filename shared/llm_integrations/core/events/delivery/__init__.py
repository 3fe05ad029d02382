"""Handing an event to a handler: tries, breaker, order, dead letters."""
