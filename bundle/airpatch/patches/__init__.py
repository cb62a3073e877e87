"""Patches, which leave out what a target already has: bases, plans, and merging patches into a full bundle."""
