"""Reversible views: bytes in which packed streams are replaced by what they hold (spec/VIEWS.md)."""
