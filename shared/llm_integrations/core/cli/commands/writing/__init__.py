"""The subcommands that change a registry, and those that write what it holds elsewhere."""
