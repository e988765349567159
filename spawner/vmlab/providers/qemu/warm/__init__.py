"""What is made ahead: templates, and machines that wait for trainees.

template  booted machines that were parked, to be cloned; clones that failed
parking   makes one
pool      clones that wait for a trainee
upkeep    keeps both ready
"""
