"""VMSpawner and one start of a machine, from its place in the queue to its server's answer.

spawner   VMSpawner: JupyterHub's life cycle on top of a provider
settings  its options
slots     how many starts are at work, and the queue
log       one start as others see it: events and measured phases
progress  what a starting machine tells the waiting trainee
history   phase durations measured in earlier starts
waiting   waits until the server answers
trouble   a server that ends before it serves
restarts  how often a machine that reboots or crashes is started again
refusal   how an error becomes a start that the hub refuses
"""
