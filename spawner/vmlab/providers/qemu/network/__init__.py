"""The network of an event: a namespace that holds a bridge, kept by a process of its own.

networks     what the provider asks: networks made, machines plugged in, looked at, removed
launching    the hub's side of a keeper: it is started, and asked
keeper       the process that keeps one network (standard library only, as all below)
kept         what it knows of the network, and what is done with it
namespace    where the network is, and who holds it
bridge       commands for bridge, rules and ports
rules        which frames pass
ports        taps, and cables where there are none
port         where a machine's second card is plugged in
name_server  answers on the network's own address
names        which answer a name gets
dns          how questions and answers are written
probe        tries whether this host can have one
measuring    what one costs and gives, for the bench
layout       addresses, interfaces, and facts as JSON
"""
