"""Fuzzing: what comes from a machine, a trainer or an operator is read, or refused in words.

    make fuzz                                       an hour over all targets
    make fuzz ARGS="--seconds 60 --only lab-toml"   a minute of one

`targets/` says what is tried, `corpus/NAME/` what it begins with, `cases/NAME/` holds inputs that
once broke something, and are replayed by each run of the tests (`test_cases`).
"""
