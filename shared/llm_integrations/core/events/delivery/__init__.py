"""Delivering events to a handler: retries, breaker, order by subject, dead letters."""
