"""Event loops on threads of their own, answers on their way, and what survives a fork."""
