"""What runs: QEMU's command line, its launch, its limits and its end."""
