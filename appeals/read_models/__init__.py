"""Read models: what a write stores for readers, such as case snapshots, the search index, the change feed,
statistics.
"""
