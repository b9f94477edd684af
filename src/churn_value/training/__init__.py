"""What one training run does, step by step: search, judge, pack, record."""
