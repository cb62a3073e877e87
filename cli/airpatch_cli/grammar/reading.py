"""Commands that read: they show, verify and restore what a bundle or a root holds."""

from __future__ import annotations

from argparse import ArgumentParser

from airpatch_cli.grammar.command import command
from airpatch_cli.grammar.registry_options import pull_options
from airpatch_cli.grammar.shared_options import SOURCE, files_option, form_options, root_argument, trust_options
from airpatch_cli.grammar.values import bundle, file_beside, nonempty, output_name, word


@command(
    "show what was done to a registry's root, by whom and with which bundle, and check that the record is intact",
    "airpatch history /var/lib/registry",
    "airpatch history /var/lib/registry --json | jq -r .last_hash",
    is_long=False,
)
def history(parser: ArgumentParser) -> None:
    root_argument(parser)


@command(
    "show what is in a bundle, an inventory, a request or a registry's root",
    "airpatch inspect shop-r1.tar.zst",
    "airpatch inspect shop-r1-r2.tar.zst --blobs",
    "airpatch inspect qa-host.inventory",
    "airpatch inspect images/ --layers",
    "airpatch inspect /var/lib/registry --json | jq .releases",
)
def inspect(parser: ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        type=nonempty,
        metavar="WHAT",
        help="a bundle, an inventory, the request of an apply, or the directory that holds docker/registry/v2; with "
        "--layers any source of images",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--blobs", action="store_true", help="also list the blobs (--json always includes them)")
    shown.add_argument("--layers", action="store_true", help="show which encoder wrote each layer instead")


@command(
    "check every byte of a bundle or of a registry's root, and list everything that is wrong",
    "airpatch verify shop-r1.tar.zst",
    "airpatch verify - < shop-r1.tar.zst",
    "airpatch verify /media/disk1 /media/disk2",
    "airpatch verify shop-r1-r2.patch.tar.zst --base shop-r1.tar.zst",
    "airpatch verify shop-r1.tar.zst --request shop.request",
    "airpatch verify shop-r1.tar.zst --manifest SHA256SUMS",
    "airpatch verify /var/lib/registry",
)
def verify(parser: ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        type=bundle,
        nargs="+",
        metavar="WHAT",
        help="a bundle, its parts or their folders, a damaged copy and its top-up, - for standard input, or the "
        "directory that holds docker/registry/v2",
    )
    parser.add_argument(
        "--base",
        type=nonempty,
        metavar="BASE",
        help="for a patch: also carry out its layer patches, in scratch files in the current folder, with what this "
        "full bundle or registry's root holds (a full bundle needs none)",
    )
    parser.add_argument(
        "--request",
        type=file_beside,
        metavar="FILE",
        help="if the bundle is damaged or cut short, write a request for the bytes it lacks, for 'airpatch topup'; if "
        "nothing is lacking, remove an older request from there",
    )
    parser.add_argument(
        "--manifest",
        dest="output",
        type=output_name,
        metavar="FILE",
        help="write the digests of all files that a root with this release must hold, for sha256sum -c; - for standard "
        "output",
    )
    trust_options(parser, "the bundle")


@command(
    "write the images in a registry's root or a bundle in a form that skopeo reads",
    "airpatch restore /var/lib/registry -o images/",
    "airpatch restore shop-r1.tar.zst -o images/ --image shop/web:r1 --image shop/worker",
    "airpatch restore shop-r1.tar.zst -o layout/ --as oci",
    "airpatch restore shop-r1.tar.zst -o - --as oci-archive | ctr -n k8s.io images import -",
    "airpatch restore shop-r1-r2.tar.zst --base containerd:/var/lib/containerd -o - --as oci-archive | "
    "ctr -n k8s.io images import -",
    "airpatch restore /var/lib/registry -o images/ --link hard && skopeo sync --src dir --dest docker "
    "images/ harbor.example/shop",
)
def restore(parser: ArgumentParser) -> None:
    parser.add_argument("source", type=nonempty, metavar="FROM", help=f"{SOURCE}; with --base a patch")
    parser.add_argument(
        "--base",
        type=nonempty,
        metavar="SOURCE",
        help="what the patch FROM was made against: a full bundle, a root, containerd's storage, archives, ...",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=output_name,
        required=True,
        metavar="OUT",
        help="the folder or archive to write the images to, - for an archive on standard output",
    )
    parser.add_argument(
        "--image",
        type=word,
        action="append",
        default=[],
        dest="images",
        metavar="NAME",
        help="only this image: a reference as in an images list, or a repository for all its tags; may be repeated",
    )
    parser.add_argument(
        "--release", type=word, metavar="NAME", help="which release of a root: its name, or the beginning of its id"
    )
    parser.add_argument("--exact", action="store_true", help="remove the folders of other images from OUT")
    form_options(parser, "oci-archive", "docker-archive")
    files_option(parser)
    pull_options(parser)
    trust_options(parser, "the bundle")
