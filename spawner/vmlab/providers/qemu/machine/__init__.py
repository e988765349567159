"""What a machine is on disk: its folder, its record, its disks, its user.

layout      which file lies where in a machine's folder
records     checkpoints: what was done, written before the next step begins
status      the state of a machine, from its folder alone
identity    machine-id and SSH keys, made once
folders     makes a machine's folder; converts older ones
users       each machine's own user on the host
disks       root disks
old_disks   root disks of older images
aside       machines that were replaced
disk_parts  what machines take of the host's disk
"""
