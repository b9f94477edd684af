"""Measurements that print a table and write JSON; one file each."""
