"""Event loops on threads of their own, crossing between loops, and locks that survive a fork."""
