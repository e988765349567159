"""What a machine is on disk: its folder, its record, its disks, its user.

machine     a machine: the files in its folder, and what was done for it so far
status      the state of a machine, from its folder alone
identity    machine-id and SSH keys, made once
users       each machine's own user on the host, and the folder it may pass through
disks       disks as QEMU is told of them; root disks, also those of older images
aside       machines that were replaced
disk_parts  what machines take of the host's disk
"""
