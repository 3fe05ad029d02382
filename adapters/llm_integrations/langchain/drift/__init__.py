"""What an agent's tools say of themselves now, beside what the registry says of them."""
