"""VMLab: a whole virtual machine for every trainee, in the browser (the hub's side).

    configure  JupyterHub's configuration from a lab: the only module that knows every room
    errors     every error that VMLab raises on purpose
    messages   what trainees read when something went wrong, in both languages
    model      the facts that all rooms share
    names      names of machines and volumes, from user and server name
    paths      where VMLab keeps things on the host
    seed       what makes one machine itself (contextualisation)

    cli        the command line
    bench      `vmlab bench`: how fast machines start
    rehearsal  `vmlab rehearse`: a planned installation, tried on machines
    web        what browsers and machines ask the hub for: API, board, pages
    upkeep     what the hub does by itself: reconcile, stop idle machines, look after volumes
    spawning   VMSpawner, and one start of a machine
    ssh        SSH from trainees' own computers, through the hub
    groups     the machines of each trainee, and what they have in common
    providers  the engines that run machines
    volumes    the trainees' disks
    people     accounts, roles, log-in, languages
    hub        JupyterHub as a program and as an API
    images     from a recipe to a signed disk image
    courses    what trainers publish
    network    connections: machines, hub, proxy, internet
    files      who has which folder on an event's file server
    database   VMLab's own database
    lab        lab.toml and its mistakes
    system     this host: programs, files, disk space, background jobs

A room imports only rooms below it in this list (`scripts/rooms`, checked by `make check`).
"""

from vmlab_protocol import __version__

__all__ = ["__version__"]
