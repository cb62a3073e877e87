"""All patches of a product line: which layer patches they need, each made once, on one machine or on many."""
