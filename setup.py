"""Compile the modules that loop over bits; each is a plain .py file that runs uncompiled, too."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

LIBRARY = Path("bundle")
PROCESSORS = len(os.sched_getaffinity(0))

COMPILED: list[str] = [
    "airpatch.deflate.blocks",
    "airpatch.deflate.decoding",
    "airpatch.deflate.dynamic",
    "airpatch.deflate.header",
    "airpatch.deflate.history",
    "airpatch.deflate.huffman",
    "airpatch.deflate.inflate",
    "airpatch.deflate.matches",
    "airpatch.delta.align",
    "airpatch.delta.anchors",
    "airpatch.delta.mend",
    "airpatch.delta.predict",
    "airpatch.delta.varints",
    "airpatch.encoders.go_fast",
    "airpatch.encoders.go_match",
    "airpatch.encoders.klauspost_blocks",
    "airpatch.encoders.klauspost_chains",
    "airpatch.encoders.klauspost_deep",
    "airpatch.encoders.klauspost_fast",
    "airpatch.encoders.klauspost_matcher",
    "airpatch.encoders.kzstd_best",
    "airpatch.encoders.kzstd_best_matcher",
    "airpatch.encoders.kzstd_best_old",
    "airpatch.encoders.kzstd_better",
    "airpatch.encoders.kzstd_blocks",
    "airpatch.encoders.kzstd_fast",
    "airpatch.encoders.kzstd_fse",
    "airpatch.encoders.kzstd_huffman",
    "airpatch.encoders.kzstd_literals",
    "airpatch.encoders.kzstd_matcher",
    "airpatch.encoders.kzstd_sequences",
    "airpatch.encoders.pigz_hash",
    "airpatch.encoders.zlib_match",
]


def _extension(name: str) -> Extension:
    """Debug information would take a third of the time; a fused multiply-add rounds otherwise than the originals do."""
    source = LIBRARY / (name.replace(".", "/") + ".py")
    return Extension(name, [str(source)], extra_compile_args=["-g0", "-ffp-contract=off"])


setup(
    ext_modules=cythonize(
        [_extension(name) for name in COMPILED],
        include_path=[str(LIBRARY)],
        language_level=3,
        nthreads=PROCESSORS,
    ),
    options={"build_ext": {"parallel": PROCESSORS}},
)
