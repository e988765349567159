"""lab.toml: what a lab is, and the mistakes somebody can make in it."""
