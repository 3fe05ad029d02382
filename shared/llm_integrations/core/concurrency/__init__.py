"""Event loops on threads of their own, crossing between loops, locks that survive a fork, and weak
references without callbacks."""
