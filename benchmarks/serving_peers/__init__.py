"""What a user would otherwise serve the same boosters with; run by the Python of `requirements/serving_peers.in`."""
