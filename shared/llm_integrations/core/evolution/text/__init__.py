"""Changes in words: for a report, a terminal, and those who have to do something."""
