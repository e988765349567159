"""The control protocol: who speaks with whom, the naming service and the central log."""
