"""Commands that make a bundle, or report what one would cost."""

from __future__ import annotations

from argparse import ArgumentParser

from airpatch_cli.grammar.command import command
from airpatch_cli.grammar.shared_options import (
    base_options,
    effort_options,
    expiry_option,
    output_option,
    page_option,
    reader_option,
    sign_option,
    source_options,
    tool_option,
    trust_options,
)
from airpatch_cli.grammar.values import bundle, file_beside, natural, nonempty
from airpatch_cli.parser import Condition, only_with


@command(
    "pack images into a full bundle",
    "airpatch create images/ -o shop-r1.tar.zst",
    "airpatch create images/ --images-list images-list.txt --release 4.2.0 --sequence 420 -o shop.tar.zst",
    "airpatch create registry:/var/lib/registry -o - | ssh host airpatch apply - --root /var/lib/registry",
    "airpatch create images/ -o /media/usb/shop-r1.tar.zst --with-tool airpatch-0.1.0/",
    "airpatch create images/ --sign release_key --expires 2027-01-31T00:00:00Z -o shop-r1.tar.zst",
    "airpatch create images/ --repack --effort best -o shop-r1-small.tar.zst",
)
def create(parser: ArgumentParser) -> None:
    source_options(parser)
    group = parser.add_argument_group("smaller bundles")
    group.add_argument(
        "--repack",
        action="store_true",
        help="store layers uncompressed where that makes the bundle smaller, and recompress them on the target: takes "
        "time on both sides, and plain tar can no longer unpack the images",
    )
    only_with(Condition(lambda args: args.repack, "without --repack"), *effort_options(group, "with --repack: "))
    expiry_option(parser)
    output_option(parser)
    sign_option(parser)
    tool_option(parser)


@command(
    "make a patch: the new release without what its targets already have",
    "airpatch diff --base shop-r1.tar.zst images-r2/ -o shop-r1-r2.tar.zst",
    "airpatch diff --base shop-r1.tar.zst --base shop-r2.tar.zst images-r3/ -o shop-r3-patch.tar.zst",
    "airpatch diff --base qa-host.inventory images-r2/ -o shop-qa-r2.tar.zst",
    "airpatch diff --base shop-r1.tar.zst --for 0.1 images-r2/ -o shop-r1-r2.tar.zst",
)
def diff(parser: ArgumentParser) -> None:
    content = base_options(parser)
    source_options(parser)
    group = parser.add_argument_group("layer patches")
    group.add_argument(
        "--no-layer-patches",
        dest="layer_patches",
        action="store_false",
        help="send every changed blob whole, so that the target has nothing to rebuild",
    )
    condition = Condition(lambda args: args.layer_patches, "with --no-layer-patches")
    only_with(condition, content, reader_option(group), *effort_options(group))
    expiry_option(parser)
    output_option(parser)
    sign_option(parser)
    tool_option(parser)


@command(
    "report what a patch will cost before it is made: which images, layers and files make it large",
    "airpatch explain --base shop-r1.tar.zst images-r2/",
    "airpatch explain --base shop-r1.tar.zst images-r2/ --effort fast --top 3",
    "airpatch explain --base shop-r1.tar.zst images-r2/ --html report.html",
    "airpatch explain --base shop-r1.tar.zst images-r2/ --json | jq .report.size_bytes",
)
def explain(parser: ArgumentParser) -> None:
    base_options(parser)
    source_options(parser)
    parser.add_argument(
        "--top",
        type=natural,
        default=10,
        metavar="N",
        help="how many images, layers, and files of each layer to list, the costliest first (default: 10; --json has "
        "all images and layers)",
    )
    page_option(parser)
    group = parser.add_argument_group("layer patches")
    reader_option(group)
    effort_options(group)


@command(
    "merge a full bundle and patches into one full bundle, or a chain of patches into one patch",
    "airpatch merge shop-r1.tar.zst shop-r1-r2.tar.zst -o shop-r2.tar.zst",
    "airpatch merge --patch shop-r1-r2.tar.zst shop-r2-r3.tar.zst -o shop-r1-r3.tar.zst",
)
def merge(parser: ArgumentParser) -> None:
    parser.add_argument(
        "bundles", type=bundle, nargs="+", metavar="BUNDLE", help="bundles in the order of their releases"
    )
    parser.add_argument("--patch", action="store_true", help="merge patches alone into one patch")
    output_option(parser)
    sign_option(parser)
    trust_options(parser, "every bundle")


@command(
    "sign a bundle as ssh-keygen does; the signature covers its index and thereby every byte",
    "airpatch sign shop-r1.tar.zst --key ~/.ssh/id_ed25519",
    "airpatch sign shop-r1.tar.zst --key release.pub",
    "airpatch sign shop-r1.tar.zst --export message",
    "ssh-keygen -Y sign -n airpatch -f token.pub message",
    "airpatch sign shop-r1.tar.zst --import message.sig",
    is_long=False,
)
def sign(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=bundle, metavar="BUNDLE", help="the file to add the signature to")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--key",
        type=nonempty,
        metavar="KEY",
        help="a private Ed25519 key, or the public key of one held by an SSH agent",
    )
    how.add_argument(
        "--export", type=file_beside, metavar="FILE", help="write the message to be signed elsewhere; sign nothing"
    )
    how.add_argument(
        "--import",
        dest="signatures",
        type=nonempty,
        action="append",
        default=[],
        metavar="FILE.sig",
        help="add a signature made elsewhere; may be repeated",
    )
