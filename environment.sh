# Sourced by examples/tour.sh and check.sh, in the project's folder: `use_environment run` or `use_environment test` makes
# `python` and `airpatch` those of an environment in which this tree is installed. That is the active virtual environment,
# or else .venv; what is not there yet, or older than the sources, is installed first. Needs a POSIX shell alone.

use_environment() {
    environment=${VIRTUAL_ENV:-$PWD/.venv}
    extra=$1
    compiled=$(sed -n 's|^ *"\(airpatch\.[a-z0-9_.]*\)",.*|\1|p' setup.py | tr . / | sed 's|.*|bundle/&.py|')
    wanted=$(cksum setup.py pyproject.toml bundle/airpatch/*.pxd bundle/airpatch/*/*.pxd $compiled)
    for stamp in "$environment/airpatch-test" "$environment/airpatch-$extra"; do
        if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$environment/bin/python" -c '' 2>/dev/null; then
            PATH=$environment/bin:$PATH
            return
        fi
    done
    _find_python
    _need_packages "$extra"
    if [ "$(cat "$environment/airpatch-run" 2>/dev/null)" = "$wanted" ] && _has_pip; then
        _install_extra "$extra"
    else
        _install "$extra"
    fi
    PATH=$environment/bin:$PATH
    printf '%s\n' "$wanted" >"$environment/airpatch-$extra"
}

_say() { printf 'airpatch: %s\n' "$*" >&2; }

_is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Sets `python` to an interpreter that is new enough, or to nothing, and `name` to that of its Debian packages.
_find_python() {
    for python in "$environment/bin/python" python3 python3.14 python3.13 python3.12 python3.11; do
        if _is_new_enough "$python"; then
            name=$(basename "$python")
            [ "$name" != python ] || name=python3
            return
        fi
    done
    python=
    name=python3
    # Ubuntu 22.04 has a newer Python beside an old one.
    if command -v python3 >/dev/null; then name=python3.11; fi
}

# Whether a program with Python's headers can be compiled, and a virtual environment made.
_can_compile() {
    headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))') || return 1
    printf '#include <Python.h>\nint main(void) {return 0;}\n' | ${CC:-cc} -x c -I "$headers" -fsyntax-only - 2>/dev/null
}

# Programs for tests of pages; Ubuntu has no package of them but a snap.
_browser() { if grep -qx 'ID=debian' /etc/os-release; then echo chromium chromedriver:chromium-driver; fi; }

_need_packages() {
    lacking=
    if [ -z "$python" ]; then lacking="$name"; fi
    if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then lacking="$lacking $name-venv"; fi
    if [ -z "$python" ] || ! _can_compile; then lacking="$lacking $name-dev gcc libc6-dev"; fi
    if [ "$1" = test ]; then
        if [ "$(id -u)" = 0 ]; then as_root="debootstrap qemu-aarch64:qemu-user"; else as_root=; fi
        for program in skopeo docker-registry tar zstd gzip pigz strace:strace mkfs.ext4:e2fsprogs setpriv:util-linux \
            ssh-keygen:openssh-client git:git sshd:openssh-server podman ctr:containerd age file \
            update-mime-database:shared-mime-info $as_root $(_browser); do
            command -v "${program%:*}" >/dev/null || [ -x "/sbin/${program%:*}" ] || lacking="$lacking ${program#*:}"
        done
    fi
    lacking=${lacking# }
    [ -n "$lacking" ] || return 0
    line="apt-get install --no-install-recommends -y $lacking"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        _say "the system lacks some packages: $line"
        export DEBIAN_FRONTEND=noninteractive
        # Another one may be at work, as on a machine that has just started.
        { apt-get -q update && $line -o DPkg::Lock::Timeout=300; } >&2 || { _say "the packages could not be installed; see above"; exit 1; }
        _find_python
    else
        _say "the system lacks some packages; as root, run: $line"
        exit 1
    fi
}

_has_pip() { "$environment/bin/python" -m pip --version >/dev/null 2>&1; }

_pip() { "$environment/bin/python" -m pip install -q --disable-pip-version-check "$@"; }

_install() {
    if ! _has_pip; then
        _say "making the virtual environment $environment"
        # Never clear an environment that somebody else has made.
        if [ "$environment" = "$PWD/.venv" ]; then clear=--clear; else clear=; fi
        "$python" -m venv $clear "$environment"
    fi
    python=$environment/bin/python
    _say "installing the build tools"
    _requirements '["project"]["dependencies"]' | _pip -r /dev/stdin &
    # Python compiles the few modules that are used as they are loaded.
    _requirements '["build-system"]["requires"]' | _pip --no-compile -r /dev/stdin
    _say "compiling the codecs; that takes about a minute on two processors"
    "$python" setup.py -q build_ext --inplace
    _say "installing airpatch and what it needs"
    wait $!
    case $1 in run) of= ;; *) of="[$1]" ;; esac
    _pip --no-build-isolation -e ".$of"
}

# What an extra adds to an environment in which this very tree is installed.
_install_extra() {
    _say "installing what the $1 extra adds"
    _requirements "[\"project\"][\"optional-dependencies\"][\"$1\"]" | _pip -r /dev/stdin
}

# The requirements at a place of pyproject.toml, one a line.
_requirements() {
    "$environment/bin/python" -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))'"$1"', sep="\n")'
}
