"""What is tried, a module for each side that inputs come from."""
