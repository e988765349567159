"""`vmlab bench`: how fast machines start, compared with what a small hub uses today.

    facts.py     what was measured, as frozen facts; to JSON and back
    targets.py   the targets, and whether they were reached
    table.py     results for a terminal
    plot.py      results as a picture
    variants.py  what is compared: the hub's configuration of each variant
    peer.py      the environment of the local process that machines are compared with
    rig.py       one variant's hub, proxy and state folder, for as long as it is measured
    kernel.py    one trainee's server and its kernels, seen from outside
    usage.py     processor, memory and disk of one machine
    rounds.py    rounds in which the variants take turns
    hub_cost.py  what a start costs the hub itself
    run.py       a whole run
    host_facts.py  what its numbers depend on
    group.py     a group of machines beside one desk; its network and its file server
    files_speed.py  how fast a folder's files are, measured in a machine
    figures.py   single figures and their marks

docs/performance.md says what the numbers mean.
"""
