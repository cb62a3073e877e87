#!/usr/bin/env bash
# Try a release on hosts that have nothing: try_offline.sh OUTDIR [CHROOT [CHROOT-WITH-PYTHON]]
#
# Without a C library, and in a minimal Debian without Python, with loopback as the only network, a read-only /usr and a
# /tmp that permits no execution, as root and as an ordinary user, the executable in OUTDIR applies a full bundle and a
# patch of the images in fixtures/, out of parts of which one is lost, restores them and verifies the registry. In a
# minimal Debian with python3 alone, airpatch.pyz and the wheel do the same, where OUTDIR has them. Needs root,
# debootstrap, and airpatch with the extra parity on the PATH to make the bundles. The systems are made by debootstrap
# --variant=minbase, the second one with --include=python3; those that are given are copied. IMAGES=FOLDER takes other
# images, two releases in FOLDER/r1 and FOLDER/r2, and PART=SIZE parts of another size for them.
set -euo pipefail
packaging=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$1" && pwd)
images=${IMAGES:-$packaging/../fixtures/images}
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"

# $1: the system; $2: one that is there; then words for debootstrap
system() {
    if [ -n "$2" ]; then cp -a "$2" "$work/$1"; else debootstrap --variant=minbase "${@:3}" stable "$work/$1" >"$work/log"; fi
    mkdir -p "$work/$1/medium"
    cp -r "$work/medium/." "$work/$1/medium"
}

mkdir "$work/medium"
airpatch create "$images/r1" --sequence 1 -o "$work/r1.tar.zst" -q
airpatch split "$work/r1.tar.zst" --size "${PART:-64KiB}" --parity 1 -o "$work/medium/parts" -q
rm "$work"/medium/parts/*.part-01-of-*
airpatch diff --base "$work/r1.tar.zst" "$images/r2" --sequence 2 -o "$work/medium/r2.patch.tar.zst" -q
cat >"$work/medium/site.sh" <<'SITE'
set -eu
cd "$1"
shift
"$@" --help >/dev/null
"$@" doctor -q registry
"$@" apply -q /medium/parts/* --root registry
"$@" apply -q /medium/r2.patch.tar.zst --root registry --restore images
"$@" verify -q registry
"$@" restore -q registry -o again
code=0
"$@" apply -q /medium/nothing --root registry 2>/dev/null || code=$?
[ "$code" = 2 ]
left=$(ls -d /tmp/airpatch-* /var/tmp/airpatch-* /dev/shm/airpatch-* /tmp/_MEI* /var/tmp/_MEI* /dev/shm/_MEI* 2>/dev/null || true)
[ -z "$left" ] || { echo "left behind: $left" >&2; exit 1; }
SITE

# $1: the system; then the command that is airpatch there
try() {
    host=$work/$1
    chmod -R a+rX "$host/medium"
    for user in 0 12345; do # the second one has no name and no home
        site=srv/site-$user
        rm -rf "${host:?}/$site"
        install -d -o "$user" -g "$user" "$host/$site"
        unshare --mount --net sh -eu -c '
            mount --bind "$1/usr" "$1/usr" && mount -o remount,bind,ro "$1/usr"
            mount -t tmpfs -o noexec,mode=1777 tmpfs "$1/tmp"
            mount -t proc proc "$1/proc"
            host=$1 user=$2 site=$3
            shift 3
            exec chroot --userspec="$user:$user" --groups="" "$host" \
                env -i PATH=/usr/bin:/bin HOME=/nonexistent sh /medium/site.sh "/$site" "$@"
        ' - "$host" "$user" "$site" "${@:2}"
        diff -r "$images/r2" "$host/$site/images"
        echo "${*:2}, user $user: applied, patched, restored and verified"
    done
}

# Where there is no C library either, nor anything else but /proc and a place to write, root does the same.
nothing=$work/nothing
mkdir -p "$nothing"/{proc,tmp,dev,medium}
touch "$nothing/dev/null"
cp -r "$work/medium/." "$nothing/medium"
cp "$out/airpatch-linux-x86_64" "$nothing/medium/"
unshare --mount --net sh -eu -c '
    mount -t proc proc "$1/proc"
    mount --bind /dev/null "$1/dev/null"
    host=$1
    for words in "apply -q /medium/parts --root /registry" "verify -q /registry" \
        "apply -q /medium/r2.patch.tar.zst --root /registry --restore /images" "verify -q /registry"; do
        env -i "$(command -v chroot)" "$host" /medium/airpatch-linux-x86_64 $words
    done
' - "$nothing"
diff -r "$images/r2" "$nothing/images"
head -c 1000000 "$nothing/medium/airpatch-linux-x86_64" >"$nothing/medium/cut"
chmod +x "$nothing/medium/cut"
code=0
"$nothing/medium/cut" --version 2>/dev/null || code=$?
[ "$code" = 8 ]
[ -z "$(ls "$nothing/tmp")" ]
echo "airpatch-linux-x86_64, without a C library: applied, patched, restored and verified"

system bare "${2-}"
if chroot "$work/bare" sh -c 'command -v python3 || command -v python'; then
    echo "the system has a Python; that proves nothing" >&2
    exit 1
fi
cp "$out/airpatch-linux-x86_64" "$work/bare/medium/"
(cd "$out" && grep ' airpatch-linux-x86_64$' SHA256SUMS) | (cd "$work/bare/medium" && sha256sum -c --quiet)
try bare /medium/airpatch-linux-x86_64

if [ -f "$out/airpatch.pyz" ]; then
    system python "${3-}" --include=python3
    cp "$out/airpatch.pyz" "$work/python/medium/"
    try python python3 /medium/airpatch.pyz
    version=$(chroot "$work/python" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    python3 -m pip install -q --target "$work/python/medium/wheel" --require-hashes --only-binary :all: --no-deps \
        --python-version "$version" --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 -r "$packaging/runtime-requirements.txt"
    python3 -m zipfile -e "$out"/airpatch-*manylinux_2_17_x86_64.whl "$work/python/medium/wheel"
    try python env PYTHONPATH=/medium/wheel PYTHONDONTWRITEBYTECODE=1 python3 -m airpatch
fi
