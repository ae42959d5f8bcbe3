"""Who sees what of a case, who writes which records, and the access log."""
