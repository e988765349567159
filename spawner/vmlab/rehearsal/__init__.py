"""`vmlab rehearse`: a planned installation, tried on machines before the real computers arrive.

description    rehearsal.toml: what is to be on each machine, how it gets there, what is checked
versions       which of two versions of a Debian package is the newer one
inventory      what a machine is asked about itself, and its answer
differences    what is otherwise than described
configuration  the commands that bring files, cloud-init's user data and Ansible to machines
report         what became of it, for programs, for a terminal, and as a page to hand over
steps          each is timed, and noted however it ends
plan           what is rehearsed: whose machines, as what, and what is made before
inside         what is done in machines that are up: configured, compared, checked
driver         starts the group, has all of that done, and takes it down

Facts and texts are made without machines; only `inside` and `driver` speak with a provider.
"""
