"""Bulk runs: data sets of any size, on many devices and hosts, that nothing can damage.

Nothing is exported: only `tasks` and scripts use it, module by module.
"""
