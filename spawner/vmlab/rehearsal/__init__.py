"""`vmlab rehearse`: a planned installation, tried on machines before the real computers arrive.

description    rehearsal.toml: what is to be on each machine, how it gets there, what is checked
versions       which of two versions of a Debian package is the newer one
inventory      what a machine is asked about itself, and its answer
differences    what is otherwise than described
configuration  the commands that bring files, cloud-init's user data and Ansible to machines
report         what became of it, for programs, for a terminal, and as a page to hand over
driver         starts the group, configures, compares and checks it, and takes it down

Facts and texts are made without machines; only the driver speaks with a provider.
"""
