"""The ready-made actors; `catalogue` has their names."""
