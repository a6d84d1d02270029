"""The settings of a deployment: their defaults, the config file, and where each value comes from.

It imports the options of stages and engines; it is imported by all that runs in a worker or in `producer`.
"""
