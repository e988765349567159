"""This host: its programs, files, locks, disk space and background jobs.

background   runs the hub's jobs: logs, backs off, goes on
job_states   how those jobs do, for other processes
environment  the environment of the programs that VMLab starts
tools        runs qemu-img and mke2fs
worker       the user they run as, and the group of all machines
locks        locks between processes
files        small file operations
disk_space   how much is free, and for what
host         facts about this host
beside       runs a coroutine beside a block
outside      JSON that others wrote as frozen facts
"""
