"""Access: who sees which view of a case, who writes which records, and the access log."""
