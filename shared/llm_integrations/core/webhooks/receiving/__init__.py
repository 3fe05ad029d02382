"""Receiving webhooks: verified, stored in an inbox, then handled."""
