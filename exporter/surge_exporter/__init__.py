"""Tells operators of LLM agent fleets when demand surges, and what to do about it."""

__all__ = ["__version__"]

__version__ = "0.1.0"
