"""Touches the world: files, clock, threads. Decisions are made in `core`."""
