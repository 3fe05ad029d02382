"""In front of a server that is elsewhere: as a transport of the client, or as a proxy."""
