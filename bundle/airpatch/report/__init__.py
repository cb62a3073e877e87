"""What bundles and roots hold, added up for people. Reads only."""
