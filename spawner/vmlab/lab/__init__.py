"""lab.toml: what a lab is, and the mistakes somebody can make in it.

lab          what one trainee gets: frozen facts
machines     [machine], [[node]] and [server]: the machines of a lab
start_order  in which order they start
event_network  the addresses of an event's network
branding         title, logo, colour: how a lab presents itself
hub_address  where the hub listens, and its public name
origins      the names under which browsers find hub and machines
provider_options  which provider, and a table of options for each one that is installed
toml_errors  reads a TOML file and names every mistake in it
toml_lines   on which line each key stands
"""
