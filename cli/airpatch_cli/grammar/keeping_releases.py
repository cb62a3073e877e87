"""Commands on a store of releases."""

from __future__ import annotations

import argparse

from airpatch_cli.grammar.command import Commands, add_command, add_group
from airpatch_cli.grammar.shared_options import expiry_option, source_options
from airpatch_cli.grammar.values import nonempty, positive, word


def store(commands: Commands) -> None:
    group = add_group(commands, "store", "keep releases in a folder or in object storage, each blob once")
    _add(group)
    _list(group)
    _show(group)
    _verify(group)
    _prune(group)


def store_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "store", type=nonempty, metavar="STORE", help="a folder, file:///FOLDER or s3://BUCKET[/PREFIX]"
    )


def _add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "add",
        "add a release to a store, which is made if there is none",
        "airpatch store add /srv/releases images-r1/ --release 4.2.0 --sequence 420",
        "airpatch store add s3://releases/shop shop-r1.tar.zst",
    )
    parser.set_defaults(command="store-add")
    store_argument(parser)
    source_options(parser)
    expiry_option(parser)


def _list(commands: Commands) -> None:
    parser = add_command(
        commands,
        "list",
        "list the releases in a store",
        "airpatch store list /srv/releases",
        "airpatch store list s3://releases/shop --json | jq -r '.releases[].release'",
        is_long=False,
    )
    parser.set_defaults(command="store-list")
    store_argument(parser)


def _show(commands: Commands) -> None:
    parser = add_command(
        commands,
        "show",
        "show the images of a release in a store",
        "airpatch store show /srv/releases 4.2.0",
        "airpatch store show /srv/releases --product shop",
        is_long=False,
    )
    parser.set_defaults(command="store-show")
    store_argument(parser)
    parser.add_argument(
        "release",
        type=word,
        nargs="?",
        metavar="RELEASE",
        help="name of the release, or the beginning of its id (default: the newest)",
    )
    parser.add_argument("--product", type=word, metavar="NAME", help="of this product (default: the only one)")


def _verify(commands: Commands) -> None:
    parser = add_command(
        commands,
        "verify",
        "check every byte of a store, and that it has all that its releases need",
        "airpatch store verify /srv/releases",
    )
    parser.set_defaults(command="store-verify")
    store_argument(parser)


def _prune(commands: Commands) -> None:
    parser = add_command(
        commands,
        "prune",
        "forget old releases of a store and remove what none of the others needs",
        "airpatch store prune /srv/releases --keep 6 --dry-run",
        "airpatch store prune /srv/releases --keep 6 --product shop",
        is_long=False,
    )
    parser.set_defaults(command="store-prune")
    store_argument(parser)
    parser.add_argument("--product", type=word, metavar="NAME", help="prune only this product (default: each in turn)")
    parser.add_argument(
        "--keep",
        type=positive,
        default=2,
        metavar="N",
        help="number of releases of a product to keep, those with the highest numbers (default: 2)",
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would be removed; remove nothing")
