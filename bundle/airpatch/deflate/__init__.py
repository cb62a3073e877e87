"""Deflate streams taken apart and put together again, bit by bit (RFC 1951, RFC 1952)."""
