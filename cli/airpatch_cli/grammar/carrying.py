"""Commands for getting a bundle to a site: the media that carry it, and the host that receives it."""

from __future__ import annotations

from argparse import ArgumentParser

from airpatch_cli.grammar.command import command
from airpatch_cli.grammar.shared_options import output_option
from airpatch_cli.grammar.values import bundle, natural, part_size, path


@command(
    "report what this host provides and which commands will work (exit code 8 if it lacks anything but a root)",
    "airpatch doctor",
    "airpatch doctor /var/lib/registry",
    is_long=False,
)
def doctor(parser: ArgumentParser) -> None:
    parser.add_argument(
        "root",
        type=path,
        nargs="?",
        metavar="ROOT",
        help="the directory that holds docker/registry/v2, or that apply will create (default: check only the host)",
    )


@command(
    "split a file into parts for media and mail gateways; every command reads the parts directly",
    "airpatch split shop-r1.tar.zst --size 4GiB -o parts/",
    "airpatch split shop-r1.tar.zst --size 25MiB --parity 2 -o mails/",
)
def split(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=bundle, metavar="FILE", help="a bundle, or any other file")
    parser.add_argument(
        "--size",
        type=part_size,
        required=True,
        metavar="SIZE",
        help="upper bound on the size of a part, such as 25MiB, or 4GiB for a FAT file system",
    )
    parser.add_argument(
        "--parity",
        type=natural,
        default=0,
        metavar="N",
        help="add N parity parts, so that any N parts may be lost or damaged (default: 0; needs the 'parity' extra)",
    )
    parser.add_argument(
        "-o", "--output", type=path, required=True, metavar="FOLDER", help="an empty folder, or one to create"
    )


@command(
    "reassemble a file from its parts",
    "airpatch join parts/* -o shop-r1.tar.zst",
    "airpatch join /media/disk1 /media/disk2 -o shop-r1.tar.zst",
)
def join(parser: ArgumentParser) -> None:
    parser.add_argument(
        "parts",
        type=bundle,
        nargs="+",
        metavar="PART",
        help="parts, or folders of parts, in any order; naming one part includes those beside it",
    )
    output_option(parser, "the file")


@command(
    "write what a damaged copy of a bundle lacks, as requested by 'verify --request'",
    "airpatch topup shop-r1.tar.zst --request shop.request -o shop.topup",
    "airpatch apply shop-r1.tar.zst shop.topup --root /var/lib/registry",
)
def topup(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=bundle, metavar="BUNDLE", help="the file that was sent, unchanged")
    parser.add_argument(
        "--request", type=path, required=True, metavar="FILE", help="what 'airpatch verify COPY --request FILE' wrote"
    )
    output_option(parser, "the top-up")
