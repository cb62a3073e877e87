"""The bytes of a bundle: zstd frames, tar members, the index and their layout (spec/FORMAT.md). Pure, without I/O."""
