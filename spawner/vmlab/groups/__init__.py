"""A trainee's machines as one group: which they are, how they are called, and how they are doing.

facts    a group and its machines: frozen
rules    what a lab says of all of its groups
plan     one trainee's group, from the lab's rules and the trainee's number
numbers  the number of each trainee, from which addresses and names follow
sharing  the event's file server: who has which folder
ready    waits until a machine is ready for those that come after it
listing  the machines of a trainee as people see them
"""
