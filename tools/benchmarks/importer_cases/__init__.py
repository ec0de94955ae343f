"""A file of every source that import_weights.py reads, and what its network gives for an image."""
