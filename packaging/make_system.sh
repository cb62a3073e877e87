#!/usr/bin/env bash
# Make the system whose Python is inside the executable: make_system.sh ARCHITECTURE FOLDER [VENV]
#
# It is that of Debian 12, out of the packages that system-packages.txt pins by hash, for x86_64 or aarch64, whatever this
# host has. Its Python is FOLDER/root/usr/bin/python3; in FOLDER/bin are the programs that PyInstaller calls. All run with its
# libraries, those for aarch64 under qemu-user. Needs apt and dpkg, of any release, and no rights. With VENV, makes an
# environment without pip there, of that Python.
#
# Debian removes a package when it has a newer one. `make_system.sh --pin` then takes what Debian has now.
set -euo pipefail
packaging=$(cd "$(dirname "$0")" && pwd)
. "$packaging/debian.sh"
pins=$packaging/system-packages.txt
say() { printf 'make_system.sh: %s\n' "$*" >&2; }

# $1: Debian's name of the architecture; $2: a folder; then what to download into it: NAME or NAME=VERSION
download() {
    use_debian "$2/apt" "$1" "deb [trusted=yes] http://deb.debian.org/debian bookworm main" \
        "deb [trusted=yes] http://deb.debian.org/debian-security bookworm-security main"
    (cd "$2" && $apt download "${@:3}")
}

if [ "$*" = --pin ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    grep '^#' "$pins" >"$work/pins"
    for architecture in amd64 arm64; do
        mkdir "$work/$architecture"
        download $architecture "$work/$architecture" $(awk -v a=$architecture '$3 == a {print $1}' "$pins")
        for package in "$work/$architecture"/*.deb; do
            dpkg-deb --show --showformat "\${Package} \${Version} $architecture " "$package"
            sha256sum <"$package" | cut -d' ' -f1
        done >>"$work/pins"
    done
    cp "$work/pins" "$pins"
    exit
fi

folder=$(realpath -m "$2")
case $1 in
x86_64) architecture=amd64 linker=lib64/ld-linux-x86-64.so.2 emulator= ;;
aarch64) architecture=arm64 linker=lib/ld-linux-aarch64.so.1 emulator=$(command -v qemu-aarch64) || { say "needs qemu-user"; exit 8; } ;;
*) say "$1: an architecture that is not known" && exit 2 ;;
esac
mkdir -p "$folder"/{bin,packages,root/usr/bin,root/usr/lib}
download $architecture "$folder/packages" $(awk -v a=$architecture '$3 == a {print $1 "=" $2}' "$pins") || {
    say "Debian has not the packages that are pinned; see './make_system.sh --pin' in packaging/, and commit what changes"
    exit 8
}
for package in "$folder"/packages/*.deb; do
    name=$(dpkg-deb --field "$package" Package)
    sum=$(awk -v n="$name" -v a=$architecture '$1 == n && $3 == a {print $4}' "$pins")
    echo "$sum  $package" | sha256sum --check --quiet || { say "$name is not the package that is pinned"; exit 8; }
    dpkg-deb --extract "$package" "$folder/root"
    dpkg-deb --fsys-tarfile "$package" | tar -t >"$folder/packages/$name.files"
done
ln -sf "$1-linux-gnu/libpython3.11.so.1.0" "$folder/root/usr/lib/" # PyInstaller looks here, and else on the host
[ -e "$folder/root/lib" ] || ln -s usr/lib "$folder/root/lib" # where packages have no /lib any more

# $1: the program's name here; $2: its path in the system. Each runs with the C library of the system, not of the host.
libraries=$folder/root/lib/$1-linux-gnu:$folder/root/usr/lib/$1-linux-gnu
start="${emulator:+$emulator }$folder/root/$linker --library-path $libraries"
program() {
    printf '#!/bin/sh\nexec %s --argv0 "$0" %s "$@"\n' "$start" "$folder/root/usr/bin/$2" >"$folder/$1"
    chmod +x "$folder/$1"
}
for name in strip objcopy objdump; do program bin/$name "$1-linux-gnu-$name"; done
program root/usr/bin/python3 python3.11 # it looks for its library beside itself, and else in the host's /usr
printf '#!/bin/sh\nfor file; do %s --list "$file"; done\n' "$start" >"$folder/bin/ldd"
chmod +x "$folder/bin/ldd"

if [ $# = 3 ]; then
    "$folder/root/usr/bin/python3" -m venv --without-pip "$3"
    used=$("$3/bin/python3" -c 'import os; print(os.__file__)')
    [ "$used" = "$folder/root/usr/lib/python3.11/os.py" ] || { say "$used is not the library that is pinned"; exit 8; }
fi
