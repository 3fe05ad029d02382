"""The verdict on a request or an answer, and how the client hears of it."""
