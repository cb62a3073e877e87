#!/bin/sh
# Pack a night's images, patch them against the last release that QA has, and send the patch.
#
#   nightly.sh IMAGES STATE [HOST ROOT]
#
# IMAGES is a tree of dir: images, as `skopeo sync --dest dir` writes it. STATE is a folder that lives from night to night:
# it keeps `last.tar.zst`, the release that was sent. With HOST and ROOT, what was made is applied there over ssh; without,
# it stays in STATE as `tonight.tar.zst`, for whoever carries it.
set -eu
images=${1:?IMAGES is missing} state=${2:?STATE is missing} host=${3-} root=${4-}
mkdir -p "$state"
full=$state/full.tar.zst tonight=$state/tonight.tar.zst last=$state/last.tar.zst
airpatch create "$images" --release "${RELEASE:-$(date -u +%Y%m%d)}" --sequence "${SEQUENCE:-$(date -u +%Y%m%d)}" -o "$full" -q
if [ -f "$last" ]; then
    airpatch diff --base "$last" "bundle:$full" --release "${RELEASE:-$(date -u +%Y%m%d)}" \
        --sequence "${SEQUENCE:-$(date -u +%Y%m%d)}" -o "$tonight" -q
else
    cp "$full" "$tonight"
fi
airpatch inspect "$tonight"
if [ -n "$host" ]; then
    ssh "$host" airpatch apply - --root "$root" <"$tonight"
fi
mv "$full" "$last" # only now: what failed is tried again with the same base
