"""What is said to the agent in a machine, over a stream that its provider opens; for every engine.

link      the conversation: lines, questions, limits
handover  hands the seed over and listens to how it is applied
asking    asks and tells machines at work: activity, a stop, a language, trouble
commands  has a command run in a machine
volume    has the agent do its part of work on the volume: frozen, grown, shown
identity  what stays with a machine over all its starts
ssh       the way to its sshd

`vmlab.providers.base.ReachesAgents` is the stream's contract.
"""
