"""Commands that change a registry's root, or write down what it has."""

from __future__ import annotations

from airpatch_cli.grammar.command import Commands, add_command
from airpatch_cli.grammar.shared_options import (
    files_option,
    form_options,
    output_option,
    root_argument,
    trust_options,
    whom_to_trust,
)
from airpatch_cli.grammar.values import nonempty, path, positive, word
from airpatch_cli.parser import Condition, only_with


def apply(commands: Commands) -> None:
    parser = add_command(
        commands,
        "apply",
        "merge bundles into a registry's storage, which a registry may be serving",
        "airpatch apply shop-r1.tar.zst --root /var/lib/registry",
        "ssh host airpatch apply - --root /var/lib/registry < shop-r1.tar.zst",
        "airpatch apply shop-r1-r2.tar.zst --root /var/lib/registry --restore images/",
    )
    parser.add_argument(
        "bundles",
        type=nonempty,
        nargs="+",
        metavar="BUNDLE",
        help="a bundle, its parts or their folder, a damaged copy and its top-up, - for standard input",
    )
    parser.add_argument(
        "--root", type=path, required=True, metavar="DIR", help="the directory that holds docker/registry/v2"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be written and what is missing; write nothing"
    )
    parser.add_argument("--deep", action="store_true", help="also hash the blobs that the patch needs")
    parser.add_argument("--allow-downgrade", action="store_true", help="accept an older sequence number than installed")
    parser.add_argument(
        "--request", type=path, metavar="FILE", help="if blobs are missing, write down which, for diff --base FILE"
    )
    parser.add_argument("--restore", type=path, metavar="DIR", help="restore the release's images there afterwards")
    form = form_options(parser.add_argument_group("with --restore"))
    only_with(Condition(lambda args: args.restore, "without --restore"), *form)
    files_option(parser)
    trust_options(parser, "every bundle")


def inventory(commands: Commands) -> None:
    parser = add_command(
        commands,
        "inventory",
        "write down what a registry's storage has, in a few KiB for the sender",
        "airpatch inventory /var/lib/registry -o qa-host.inventory",
        is_long=False,
    )
    root_argument(parser)
    parser.add_argument(
        "--product",
        type=word,
        metavar="NAME",
        help="the product whose current release is named (default: the only one)",
    )
    output_option(parser, "the inventory")


def rollback(commands: Commands) -> None:
    parser = add_command(
        commands,
        "rollback",
        "point the tags back at a release that is installed",
        "airpatch rollback /var/lib/registry",
        "airpatch rollback /var/lib/registry --to 4.1.0",
    )
    root_argument(parser)
    parser.add_argument("--product", type=word, metavar="NAME", help="the product to take back (default: the only one)")
    parser.add_argument(
        "--to",
        type=word,
        metavar="RELEASE",
        help="its name, or the beginning of its id (default: the one before the current)",
    )


def prune(commands: Commands) -> None:
    parser = add_command(
        commands,
        "prune",
        "forget old releases and remove what nothing else needs",
        "airpatch prune /var/lib/registry --keep 2 --dry-run",
        "airpatch prune /var/lib/registry --keep 1",
        is_long=False,
    )
    root_argument(parser)
    parser.add_argument(
        "--product", type=word, metavar="NAME", help="prune this product only (default: one after the other)"
    )
    parser.add_argument(
        "--keep", type=positive, default=2, metavar="N", help="releases to keep, the current one counted (default: 2)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed; remove nothing")


def trust(commands: Commands) -> None:
    parser = add_command(
        commands,
        "trust",
        "make a registry's root demand signatures for good",
        "airpatch trust /var/lib/registry allowed_signers --threshold 2",
        "airpatch trust /var/lib/registry new_signers",
        is_long=False,
    )
    root_argument(parser)
    parser.add_argument(
        "allowed_signers",
        type=path,
        metavar="ALLOWED_SIGNERS",
        help="who is trusted: a file as in ssh-keygen(1)",
    )
    whom_to_trust(parser)
    parser.add_argument(
        "--force", action="store_true", help="trust them though those trusted now did not sign it (owner only)"
    )
