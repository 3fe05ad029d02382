"""HTTP for every protocol: requests as values, one client, credentials."""
