"""A registry's storage on the host that receives releases: checks, the order of writes, receipts, prune, rollback."""
