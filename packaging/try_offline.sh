#!/usr/bin/env bash
# Try a release on a host that has nothing: try_offline.sh OUTDIR [CHROOT]
#
# In a minimal Debian without Python, with loopback as the only network, a read-only /usr and a /tmp that permits no
# execution, as root and as an ordinary user, the executable in OUTDIR applies a full bundle and a patch of the images in
# fixtures/, restores them and verifies the registry. Needs root, debootstrap, and airpatch on the PATH to make the bundles.
# CHROOT is a system that debootstrap has made with --variant=minbase; it is copied.
set -euo pipefail
out=$(cd "$1" && pwd)
images=$(cd "$(dirname "$0")/../fixtures/images" && pwd)
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
host=$work/host

if [ $# = 2 ]; then cp -a "$2" "$host"; else debootstrap --variant=minbase stable "$host" >"$work/debootstrap.log"; fi
if chroot "$host" sh -c 'command -v python3 || command -v python'; then
    echo "the system has a Python; that proves nothing" >&2
    exit 1
fi
mkdir -p "$host/medium"
cp "$out/airpatch-linux-x86_64" "$host/medium/"
(cd "$out" && grep ' airpatch-linux-x86_64$' SHA256SUMS) >"$host/medium/SHA256SUMS"
airpatch create "$images/r1" --sequence 1 -o "$host/medium/r1.tar.zst" -q
airpatch diff --base "$host/medium/r1.tar.zst" "$images/r2" --sequence 2 -o "$host/medium/r2.patch.tar.zst" -q
chmod -R a+rX "$host/medium"

cat >"$host/medium/site.sh" <<'SITE'
set -eu
cd /medium && sha256sum -c --quiet SHA256SUMS
cd "$1"
/medium/airpatch-linux-x86_64 --help >/dev/null
/medium/airpatch-linux-x86_64 apply -q /medium/r1.tar.zst --root registry
/medium/airpatch-linux-x86_64 apply -q /medium/r2.patch.tar.zst --root registry --restore images
/medium/airpatch-linux-x86_64 verify -q registry
/medium/airpatch-linux-x86_64 restore -q registry -o again
code=0
/medium/airpatch-linux-x86_64 apply -q /medium/nothing --root registry 2>/dev/null || code=$?
[ "$code" -ge 2 ]
left=$(ls -d /tmp/airpatch-* /var/tmp/airpatch-* /dev/shm/airpatch-* /tmp/_MEI* /var/tmp/_MEI* /dev/shm/_MEI* 2>/dev/null || true)
[ -z "$left" ] || { echo "left behind: $left" >&2; exit 1; }
SITE

for user in 0 12345; do # the second one has no name and no home
    site=srv/site-$user
    install -d -o "$user" -g "$user" "$host/$site"
    unshare --mount --net sh -eu -c '
        mount --make-rprivate /
        mount --bind "$1/usr" "$1/usr" && mount -o remount,bind,ro "$1/usr"
        mount -t tmpfs -o noexec,mode=1777 tmpfs "$1/tmp"
        mount -t proc proc "$1/proc"
        exec chroot --userspec="$2:$2" --groups="" "$1" env -i PATH=/usr/bin:/bin HOME=/nonexistent sh /medium/site.sh "/$3"
    ' - "$host" "$user" "$site"
    diff -r "$images/r2" "$host/$site/images"
    echo "user $user: applied, patched, restored and verified"
done
