"""The engines that run machines; `base` is their contract."""
