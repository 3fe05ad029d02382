"""What the configuration becomes: a registry client, rules, and a listener for changes."""
