"""What runs by itself as long as the hub runs: reconciler, idle machines, volumes, renewals.

jobs          begins all of this with the hub
event_server  the machine that all trainees share
reconcile     hub and provider kept consistent, both ways
idle          stops machines that nobody works in
readiness     machines made ready ahead
volumes       hourly snapshots, thinning, purging, room on the disk
housekeeping  garbage collection and the hub's database
renewal       a new machine with the same volume
stop_all      stops all machines of a lab
"""
