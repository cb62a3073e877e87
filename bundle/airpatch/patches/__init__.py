"""Patches: what a target has already is left out. Bases, plans, and merging a patch back into a full bundle."""
