"""From any number of buses and sources to any number of integrations, each change once."""
