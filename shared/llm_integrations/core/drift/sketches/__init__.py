"""What is known of the values at each place of the data, gathered block by block."""
