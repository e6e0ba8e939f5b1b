"""Likelihood models with exact integer inference: what a symbol costs, given what is already known."""
