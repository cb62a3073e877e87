"""Compile the modules that loop over bits; each is a plain .py file that runs uncompiled, too."""

from Cython.Build import cythonize
from setuptools import Extension, setup

COMPILED: list[str] = [
    "bundle.deflate.blocks",
    "bundle.deflate.decoding",
    "bundle.deflate.dynamic",
    "bundle.deflate.header",
    "bundle.deflate.history",
    "bundle.deflate.huffman",
    "bundle.encoders.go_fast",
    "bundle.encoders.go_match",
    "bundle.encoders.klauspost_blocks",
    "bundle.encoders.klauspost_chains",
    "bundle.encoders.klauspost_deep",
    "bundle.encoders.klauspost_fast",
    "bundle.encoders.klauspost_matcher",
    "bundle.encoders.pigz_hash",
    "bundle.encoders.zlib_match",
    "bundle.deflate.inflate",
    "bundle.deflate.matches",
    "bundle.delta.align",
    "bundle.delta.anchors",
    "bundle.delta.mend",
    "bundle.delta.predict",
    "bundle.delta.varints",
]

setup(
    ext_modules=cythonize(
        [Extension(name, [name.replace(".", "/") + ".py"]) for name in COMPILED],
        language_level=3,
    )
)
