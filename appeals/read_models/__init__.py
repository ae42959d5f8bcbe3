"""What a write leaves for readers: snapshots, search index, change feed, statistics."""
