"""Commands on a store of releases."""

from __future__ import annotations

from argparse import ArgumentParser

from airpatch_cli.grammar.command import Group, command
from airpatch_cli.grammar.shared_options import expiry_option, source_options
from airpatch_cli.grammar.values import nonempty, positive, word


def store_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "store",
        type=nonempty,
        metavar="STORE",
        help="a folder, file:///FOLDER or s3://BUCKET[/PREFIX]; a registry's root is one of the releases applied to it",
    )


@command(
    "add a release to a store, which is made if there is none",
    "airpatch store add /srv/releases images-r1/ --release 4.2.0 --sequence 420",
    "airpatch store add s3://releases/shop shop-r1.tar.zst",
)
def store_add(parser: ArgumentParser) -> None:
    store_argument(parser)
    source_options(parser)
    expiry_option(parser)


@command(
    "list the releases in a store",
    "airpatch store list /srv/releases",
    "airpatch store list s3://releases/shop --json | jq -r '.releases[].release'",
    is_long=False,
)
def store_list(parser: ArgumentParser) -> None:
    store_argument(parser)


@command(
    "show the images of a release in a store",
    "airpatch store show /srv/releases 4.2.0",
    "airpatch store show /srv/releases --product shop",
    is_long=False,
)
def store_show(parser: ArgumentParser) -> None:
    store_argument(parser)
    parser.add_argument(
        "release",
        type=word,
        nargs="?",
        metavar="RELEASE",
        help="name of the release, or the beginning of its id (default: the newest)",
    )
    parser.add_argument("--product", type=word, metavar="NAME", help="of this product (default: the only one)")


@command(
    "check every byte of a store, and that it has all that its releases need",
    "airpatch store verify /srv/releases",
)
def store_verify(parser: ArgumentParser) -> None:
    store_argument(parser)


@command(
    "forget old releases of a store and remove what none of the others needs",
    "airpatch store prune /srv/releases --keep 6 --dry-run",
    "airpatch store prune /srv/releases --keep 6 --product shop",
    is_long=False,
)
def store_prune(parser: ArgumentParser) -> None:
    store_argument(parser)
    parser.add_argument("--product", type=word, metavar="NAME", help="prune only this product (default: each in turn)")
    parser.add_argument(
        "--keep",
        type=positive,
        required=True,
        metavar="N",
        help="number of releases of a product to keep, those with the highest numbers",
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would be removed; remove nothing")


STORE = Group(
    "store",
    "keep releases in a folder or in object storage, each blob once",
    (store_add, store_list, store_show, store_verify, store_prune),
)
