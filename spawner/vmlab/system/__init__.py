"""This host: its programs, files, locks, disk space and background jobs."""
