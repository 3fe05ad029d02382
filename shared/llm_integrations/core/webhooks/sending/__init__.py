"""Sending webhooks: stored in an outbox, then delivered by one worker for each endpoint."""
