"""Several servers that share the partitions of a topic: each judges its partitions alone, and their
states move with them through a compacted topic."""
