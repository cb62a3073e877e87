"""Compile the modules that loop over bits; each is a plain .py file that runs uncompiled, too.

The code that typed memoryviews need is in one module that all share: a copy in each took most of the compiler's time.
"""

import itertools
import os
import re
import subprocess
import sys
import sysconfig
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

from distutils.ccompiler import new_compiler  # isort: skip
from distutils.sysconfig import customize_compiler  # isort: skip

LIBRARY = Path("bundle")
PROCESSORS = len(os.sched_getaffinity(0))
SHARED = "airpatch._cython"
LIBZSTD = "airpatch.encoders.libzstd"
LIBBROTLI = "airpatch.encoders.libbrotli"
LIBZOPFLI = "airpatch.encoders.libzopfli"
HELP = (
    "Install a C compiler and the headers of Python, as by 'apt-get install gcc libc6-dev python3-dev', or a wheel, as "
    "by 'pip install --only-binary airpatch airpatch'; the executable of a release needs neither"
)

FLAGS = [
    "-O1",
    "-fexpensive-optimizations",  # most codecs are as fast then as with -O2, which takes the compiler a third longer
    "-ffp-contract=off",  # a fused multiply-add rounds otherwise than the encoders that replicas follow
    "-g0",  # debug information takes a third of the compiler's time
    "-Wno-all",  # what Python was compiled with takes time, and says nothing of C that Cython wrote
    "-Wno-sign-compare",  # likewise
    "-Werror=implicit-function-declaration",  # else a call that Cython failed to declare shows only when it is made
]

OPTIMISED = {
    "-O2": ("deflate.", "encoders.go_", "encoders.precedent", "encoders.zlib_"),
    "-O3": ("delta.a", "delta.b", "delta.mixing", "delta.p", "delta.references", "delta.varints", "sketches.samples"),
}
"""Modules, by how their names begin, where more pays, by a twentieth to a tenth of their time."""

# For fuzz/sanitize.sh: a read or write beyond a buffer, or undefined arithmetic, ends the process.
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
SANITIZED = os.environ.get("AIRPATCH_SANITIZE") == "1"
if SANITIZED:
    FLAGS += [*SANITIZERS, "-fno-omit-frame-pointer", "-O1", "-g1"]

COMPILED: list[str] = [
    "airpatch.deflate.blocks",
    "airpatch.deflate.decoding",
    "airpatch.deflate.dynamic",
    "airpatch.deflate.header",
    "airpatch.deflate.match_window",
    "airpatch.deflate.huffman",
    "airpatch.deflate.inflate",
    "airpatch.deflate.matches",
    "airpatch.delta.align",
    "airpatch.delta.anchors",
    "airpatch.delta.byte_differences",
    "airpatch.delta.mixed_content",
    "airpatch.delta.mixing",
    "airpatch.delta.debug_info",
    "airpatch.delta.predict",
    "airpatch.delta.predict_code",
    "airpatch.delta.predict_tables",
    "airpatch.delta.references",
    "airpatch.delta.tar_headers",
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
    "airpatch.encoders.kzstd_sequence_codes",
    "airpatch.encoders.kzstd_sequences",
    "airpatch.encoders.libbrotli",
    "airpatch.encoders.libzopfli",
    "airpatch.encoders.libzstd",
    "airpatch.encoders.pigz_hash",
    "airpatch.encoders.precedent",
    "airpatch.encoders.zlib_match",
    "airpatch.encoders.zlib_window",
    "airpatch.encoders.zlibng_match",
    "airpatch.encoders.zlibng_window",
    "airpatch.encoders.zstd_alignment",
    "airpatch.encoders.zstd_codes",
    "airpatch.encoders.zstd_columns",
    "airpatch.encoders.zstd_read_blocks",
    "airpatch.encoders.zstd_recurrence",
    "airpatch.encoders.zstd_sequence_bits",
    "airpatch.encoders.zstd_write_blocks",
    "airpatch.sketches.feature_sets",
    "airpatch.sketches.samples",
    "airpatch.sketches.sketch_index",
    "airpatch.views.class_constants",
    "airpatch.views.class_files",
    "airpatch.views.jimage_rows",
    "airpatch.views.perfect_hash",
    "airpatch.views.pyc_files",
]


OPTIONS = {
    "include_path": [str(LIBRARY)],
    "compiler_directives": {
        "language_level": 3,
        "show_performance_hints": False,
        "auto_pickle": False,  # nobody pickles a codec, and it takes a seventh of the compiler's time
    },
    "quiet": True,
    "shared_utility_qualified_name": SHARED,
}
"""What Cython is told."""

# For releases: one wheel for all versions of Python. Its codecs are some percent slower than those for one version.
STABLE_ABI = os.environ.get("AIRPATCH_STABLE_ABI") == "1"
MACROS = [("CYTHON_LIMITED_API", "1"), ("Py_LIMITED_API", "0x030b0000")] if STABLE_ABI else []


def _extension(name: str, suffix: str) -> Extension:
    source = LIBRARY / (name.replace(".", "/") + suffix)
    more = [flag for flag, names in OPTIMISED.items() if name.removeprefix("airpatch.").startswith(names)]
    extension = Extension(
        name,
        [str(source)],
        depends=[__file__, *map(str, LIBRARY.rglob("*.pxd"))],
        extra_compile_args=FLAGS if SANITIZED else [*FLAGS, *more],
        define_macros=MACROS,
        py_limited_api=STABLE_ABI,
    )
    if name in LIBRARIES:
        folder = source.with_suffix("")
        extension.depends += [str(path) for path in sorted(folder.rglob("*.[ch]"))]
        extension.extra_compile_args = [*FLAGS, "-fno-expensive-optimizations", "-w"]
        LIBRARIES[name](extension, folder)
    return extension


def _add_libzstd(extension: Extension, folder: Path) -> None:
    extension.sources += [str(folder / f"libzstd_{version}.c") for version in ("1_5_6", "1_5_7")]
    extension.include_dirs = [str(folder.parent)]
    extension.extra_link_args = [*extension.extra_link_args, "-pthread"]


def _add_libbrotli(extension: Extension, folder: Path) -> None:
    extension.sources += [str(path) for path in sorted(folder.rglob("*.c"))]
    extension.include_dirs = [str(folder)]
    extension.define_macros = [*extension.define_macros, ("BROTLI_STATIC_INIT", "2")]  # by a call, once it is loaded
    # Its symbols stay apart from those of the brotli package; see log2.h.
    extension.extra_compile_args += ["-fvisibility=hidden", "-include", str(folder / "log2.h")]


def _add_libzopfli(extension: Extension, folder: Path) -> None:
    extension.sources += [str(path) for path in sorted(folder.glob("*.c"))]
    extension.include_dirs = [str(folder)]
    extension.define_macros = [*extension.define_macros, ("NDEBUG", "1")]
    extension.extra_compile_args += ["-fvisibility=hidden", "-include", str(folder / "log.h")]  # as libbrotli


LIBRARIES = {LIBBROTLI: _add_libbrotli, LIBZOPFLI: _add_libzopfli, LIBZSTD: _add_libzstd}


def _require_compiler() -> None:
    """End with one line where nothing can be compiled: uncompiled codecs are of no use, 40 times as slow.

    It is looked for before Cython begins, which takes minutes.
    """
    compiler = new_compiler()
    customize_compiler(compiler)
    with TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.c"
        probe.write_text("#include <Python.h>\nint probe(void) {return 0;}\n")
        try:
            compiler.compile([str(probe)], output_dir=folder, include_dirs=[sysconfig.get_path("include")])
        except CompileError as error:
            raise SystemExit(f"airpatch: the codecs cannot be compiled: {error}. {HELP}") from None


def _translated(extensions: list[Extension]) -> list[Extension]:
    """Have Cython write the C sources of what is not compiled yet, several at a time, and say how far it is.

    Processes are forked, since setuptools runs this file in ways in which others could not import it.
    """
    compiled = [each for each in extensions if _is_compiled(each)]
    extensions = [each for each in extensions if each not in compiled]
    if not extensions:
        return compiled  # pip asks for little more than the name: it takes a second to load Cython
    from Cython.Build import cythonize

    if "sdist" not in sys.argv:
        _require_compiler()
    forked = get_context("fork")
    next_one = forked.Value("i", 0)

    def translate() -> None:
        while True:
            with next_one:
                number = next_one.value
                next_one.value += 1
            if number >= len(extensions):
                return
            translated = Path(extensions[number].sources[0]).with_suffix(".c")
            before = translated.stat().st_mtime_ns if translated.exists() else 0
            cythonize([extensions[number]], **OPTIONS)
            if translated.stat().st_mtime_ns != before:
                _say(f"translated {number + 1:2} of {len(extensions)}: {extensions[number].name}")

    processes = [forked.Process(target=translate) for _ in range(PROCESSORS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [*cythonize(extensions, **OPTIONS), *compiled]  # finds nothing left to do, or fails as that process did


def _say(text: str) -> None:
    """A compiler that is silent for a minute seems to hang."""
    print(f"  {text}", file=sys.stderr, flush=True)


class Compile(build_ext):
    """Compiles what has changed since it was compiled in place, and copies the rest from there.

    setuptools would compile all modules again whenever it makes a wheel, also an editable one.
    """

    def build_extensions(self) -> None:
        self._done = itertools.count(1)
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        output = Path(self.get_ext_fullpath(ext.name))
        if _is_compiled(ext):
            in_place = LIBRARY / self.get_ext_filename(ext.name)
            if not output.exists() or not output.samefile(in_place):
                self.mkpath(str(output.parent))
                self.copy_file(str(in_place), str(output))
            next(self._done)
            return
        super().build_extension(ext)
        _say(f"compiled {next(self._done):2} of {len(self.extensions)}: {ext.name}")


def _is_compiled(extension: Extension) -> bool:
    suffix = ".abi3.so" if STABLE_ABI else sysconfig.get_config_var("EXT_SUFFIX")
    in_place = LIBRARY / (extension.name.replace(".", "/") + suffix)
    return _is_newer(in_place, [*extension.sources, *extension.depends])


def _is_newer(output: Path, sources: list[str]) -> bool:
    return all(map(os.path.exists, [output, *sources])) and all(
        Path(path).stat().st_mtime <= output.stat().st_mtime for path in sources
    )


def _urls() -> dict[str, str]:
    """Return the addresses of the project: those of the repository that this was cloned from, if it was."""
    try:
        command = ["git", "remote", "get-url", "origin"]
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:  # no git
        return {}
    match = re.fullmatch(r"(?:https://|(?:ssh://)?git@)([\w.-]+)[:/](.+?)(?:\.git)?/?", done.stdout.strip())
    if match is None:
        return {}
    home = f"https://{match[1]}/{match[2]}"
    return {
        "Homepage": home,
        "Documentation": f"{home}/tree/main/docs",
        "Changelog": f"{home}/blob/main/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }


setup(
    project_urls=_urls(),
    cmdclass={"build_ext": Compile},
    ext_modules=_translated([_extension(SHARED, ".c"), *(_extension(name, ".py") for name in COMPILED)]),
    options={
        "build_ext": {"parallel": PROCESSORS},
        "bdist_wheel": {"py_limited_api": "cp311"} if STABLE_ABI else {},
    },
)
