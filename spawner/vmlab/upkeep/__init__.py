"""What runs by itself as long as the hub runs: reconciler, idle machines, volumes, renewals."""
