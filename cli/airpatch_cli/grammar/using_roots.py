"""Commands that change a registry's root, or list what it has."""

from __future__ import annotations

from argparse import ArgumentParser

from airpatch_cli.grammar.command import command
from airpatch_cli.grammar.shared_options import (
    files_option,
    form_options,
    output_option,
    root_argument,
    trust_options,
    whom_to_trust,
)
from airpatch_cli.grammar.values import bundle, file_beside, path, positive, word
from airpatch_cli.parser import Condition, only_with


@command(
    "merge bundles into a registry's storage, which a registry may be serving",
    "airpatch apply shop-r1.tar.zst --root /var/lib/registry",
    "ssh host airpatch apply - --root /var/lib/registry < shop-r1.tar.zst",
    "airpatch apply shop-r1-r2.tar.zst --root /var/lib/registry --restore images/",
)
def apply(parser: ArgumentParser) -> None:
    parser.add_argument(
        "bundles",
        type=bundle,
        nargs="+",
        metavar="BUNDLE",
        help="a bundle, its parts or their folder, a damaged copy and its top-up, - for standard input",
    )
    parser.add_argument(
        "--root", type=path, required=True, metavar="DIR", help="the directory that holds docker/registry/v2"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="report what would be written and what is missing; write nothing"
    )
    parser.add_argument("--deep", action="store_true", help="also hash the blobs that the patch needs")
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="accept a sequence number lower than the installed one"
    )
    parser.add_argument(
        "--request",
        type=file_beside,
        metavar="FILE",
        help="if blobs are missing, list them in this file, for diff --base FILE; if none is, remove an older request "
        "from there",
    )
    parser.add_argument(
        "--restore", type=path, metavar="DIR", help="afterwards restore the release's images into this folder"
    )
    form = form_options(parser.add_argument_group("with --restore"))
    only_with(Condition(lambda args: args.restore, "without --restore"), *form)
    files_option(parser)
    trust_options(parser, "every bundle")


@command(
    "list what a registry's storage has, in a few KiB for the sender",
    "airpatch inventory /var/lib/registry -o qa-host.inventory",
    is_long=False,
)
def inventory(parser: ArgumentParser) -> None:
    root_argument(parser)
    parser.add_argument(
        "--product",
        type=word,
        metavar="NAME",
        help="the product whose current release to name (default: the only one)",
    )
    output_option(parser, "the inventory")


@command(
    "point the tags back to an installed release",
    "airpatch rollback /var/lib/registry",
    "airpatch rollback /var/lib/registry --to 4.1.0",
)
def rollback(parser: ArgumentParser) -> None:
    root_argument(parser)
    parser.add_argument("--product", type=word, metavar="NAME", help="the product to roll back (default: the only one)")
    parser.add_argument(
        "--to",
        type=word,
        metavar="RELEASE",
        help="name of the release, or the beginning of its id (default: the one before the current)",
    )


@command(
    "forget old releases and remove blobs and tags that nothing else needs",
    "airpatch prune /var/lib/registry --keep 2 --dry-run",
    "airpatch prune /var/lib/registry --keep 1",
    is_long=False,
)
def prune(parser: ArgumentParser) -> None:
    root_argument(parser)
    parser.add_argument("--product", type=word, metavar="NAME", help="prune only this product (default: each in turn)")
    parser.add_argument(
        "--keep",
        type=positive,
        default=2,
        metavar="N",
        help="number of releases to keep, including the current one (default: 2)",
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would be removed; remove nothing")


@command(
    "make a registry's root demand signatures from now on",
    "airpatch trust /var/lib/registry allowed_signers --threshold 2",
    "airpatch trust /var/lib/registry new_signers",
    is_long=False,
)
def trust(parser: ArgumentParser) -> None:
    root_argument(parser)
    parser.add_argument(
        "allowed_signers",
        type=path,
        metavar="ALLOWED_SIGNERS",
        help="who is trusted: an allowed signers file, which ssh-keygen(1) describes",
    )
    whom_to_trust(parser)
    parser.add_argument(
        "--force", action="store_true", help="trust them even if those trusted now did not sign this file (owner only)"
    )
