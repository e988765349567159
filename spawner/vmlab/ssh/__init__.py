"""SSH from trainees' own computers to their machines, through the hub (docs/decisions/0030).

setup        adds the jump host to the hub's configuration
service      its process: sockets, requests of the hub
jump         SSH in, a channel to one's own machine out
settings     what the process is started with
logins       who may log in, and whether that still holds
keys         registered keys, in the database and in machines
kin          keys between a trainee's own machines
authority    signs the host keys of machines, so that everybody recognizes them
marks        what changes with an account's password
control      how hub and process speak
host_key     the hub's own keys
limits       how many connections there may be
targets      which machine a host name means
public_keys  what people paste, checked
program      what runs on a trainee's computer; the hub only sends it there
"""
