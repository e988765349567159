"""Volumes: the trainees' disks, and everything that may be done with one.

`vmlab.volumes.store.VolumeStore` is the only way to make, attach, detach, grow, snapshot, restore,
export, import and delete a volume; it works for hub and command line at once.

    model         snapshots, and the names of volumes (facts)
    allowance     what one trainee takes and may take of the disk (pure)
    thinning      which snapshots are kept (pure)
    qcow2         what the head of a disk says (pure)
    live          what volumes ask of a provider
    context       what all operations share: the registry, the files, the machines
    locks         one operation on a volume at a time, across processes
    disk_image    the tools: qemu-img, mke2fs
    copies        how many copies are made at once
    accounting    looks up what each trainee takes
    making_room   what goes when the disk is full, or a trainee has too much
    store         all operations, for everybody else
    attachment    make, attach, detach
    repair        registry and files brought together again after a crash
    states        list, find and delete snapshots
    snapshots     take, thin, restore
    sizes         grow
    transfer      export
    importing     import
    quarantine    delete, undelete, purge
"""
