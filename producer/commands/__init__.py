"""The commands, one file each: they parse options, call one function of another room and print the result.

Every room may be imported here; only `producer.cli` imports this package.
"""
