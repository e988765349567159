"""The embedded provider: one QEMU process a machine, no daemon, no libvirt.

provider     the contract, kept
options      what can be set, in lab.toml
abilities    what it does for host and operator
examination  what this host has for machines: lines of the doctor
seats        how many machines fit
planning     what comes before a start: whether it can be, and how
bringup      one start: from its plan to a machine whose agent answers
networks     how machines get into the networks of their events, and out
machine      what a machine is on disk
process      what runs
channels     whom we speak with: QEMU's monitor, the stream to the agent
network      the networks in which an event's machines meet
warm         what is made ahead: templates, machines that wait
"""
