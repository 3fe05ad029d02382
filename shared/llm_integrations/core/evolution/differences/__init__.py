"""Two schemas walked side by side: what each place of one says and the other does not."""
