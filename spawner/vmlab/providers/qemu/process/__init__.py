"""What runs: QEMU's command line, its launch, its limits and its end.

plan             all that is decided before a launch, one value
argv             QEMU's command line
accelerator      KVM or software emulation, answered by trying; how long each may take
confine          hard limits: memory, processors, processes; who goes first
admission        a start that does not fit is refused
launch           starts the shim, plugs in card and volume, runs the guest
shim             the process that runs one QEMU (standard library only, as the next three)
opened           what it opens as root
handout          gives QEMU a template's memory read-only
endings          why a machine ended, by QEMU's word
ending           ends a machine: power button, power off, SIGKILL
leftovers        what did not end properly, and its removal
neighbours       which addresses are not the internet
allowed          which names are, where the lab allows only some
gate             the process that opens their addresses, in the machine's namespace
neighbour_watch  tells running machines when that changes
"""
