"""The embedded provider: one QEMU process a machine, no daemon, no libvirt.

provider.py     the contract of `vmlab.providers.base`, on the modules below
layout.py       which file lies where in a machine's folder
records.py      the checkpoints on disk: what was done for a machine
argv.py         MachineSpec → QEMU's command line (pure)
disks.py        root overlays, by qemu-img
live.py         what is done to the volume of a machine that runs
identity.py     machine-id and SSH keys that stay with a machine
confine.py      limits on CPU and memory; the user that QEMU runs as
launch.py       starts the shim and waits for its word
shim.py         runs QEMU in a network namespace of its own and relays its two doors
relay.py        bytes between two sockets
control.py      QMP: power button, quit
agent.py        the conversation with the agent in the machine
accelerator.py  KVM or software emulation, by trying

    provider  the contract, kept
    bringup   one start: from a name to a machine whose agent answers
    machine   what a machine is on disk
    process   what runs
    channels  whom we speak with: QEMU's monitor, the agent
    warm      what is made ahead: templates, machines that wait
"""
