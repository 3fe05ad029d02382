"""Deliveries: written down first, then sent by one worker for each endpoint."""
