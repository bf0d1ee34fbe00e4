"""What HTTP clients see: the exposition, the API, the status page."""
