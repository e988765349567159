"""Volumes: the trainees' disks, and everything that may be done with one.

`vmlab.volumes.store.VolumeStore` is the only way to make, attach, detach, grow, snapshot, restore,
export, import and delete a volume; it works for hub and command line at once.

model.py        volumes, snapshots and their names (facts)
qcow2.py        what the head of a qcow2 file says: size, snapshots, what it refers to (pure)
thinning.py     which snapshots are kept (pure)
locks.py        one operation on a volume at a time, across processes
disk_image.py   the tools: qemu-img, mke2fs
ground.py       what all operations share: the registry, the files, the machines
holding.py      make, attach, detach; files that the registry does not know
states.py       list, find and delete snapshots
snapshots.py    take, thin, restore
allowance.py    what one trainee takes and may take of the disk (pure)
accounting.py   looks up what each trainee takes
making_room.py  what goes when the disk is full, or a trainee has too much
copies.py       how many copies are made at once, and the room for them
sizes.py        grow
transfer.py     export
intake.py       import
quarantine.py   delete, undelete, purge
upkeep.py       the hub's job: hourly snapshots, thinning, purging, room on the disk
"""
