"""Bulk runs: data sets of any size, on many devices and hosts, that nothing can damage."""
