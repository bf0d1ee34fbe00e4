"""Snapshots and tables as text. Pure: returns strings, writes nothing."""
