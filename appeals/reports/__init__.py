"""Reports: what is computed from the records at each request."""
