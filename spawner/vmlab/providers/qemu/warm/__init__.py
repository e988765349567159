"""What is made ahead: templates, and machines that wait for trainees."""
