"""Bulk runs: data sets of any size, on many devices and hosts, that nothing can damage.

Nothing is exported: `tasks` alone uses it, module by module.
"""
