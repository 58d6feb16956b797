"""Several servers that share the partitions of a topic: each judges its partitions, their states
move with them through a compacted topic, and one server groups the rows of all."""
