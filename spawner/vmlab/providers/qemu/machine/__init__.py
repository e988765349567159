"""What a machine is on disk: its folder, its record, its disks, its user."""
