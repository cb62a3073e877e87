"""Files in parts, for media and mail gateways: split, read without joining, rebuilt by parity (spec/PARTS.md)."""
