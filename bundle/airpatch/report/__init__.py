"""Reports: what bundles and roots hold, and what patches will cost. Reads only."""
