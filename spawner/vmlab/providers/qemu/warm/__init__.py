"""What is made ahead: templates, and machines that wait for trainees.

template   booted machines that were parked, to be cloned
parking    makes one
suspicion  clones that failed, noted on their template
pool       clones that wait for a trainee
upkeep     keeps both ready
"""
