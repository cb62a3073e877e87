"""Commands that make all patches of a product line out of a store."""

from __future__ import annotations

from argparse import ArgumentParser

from airpatch_cli.grammar.command import command
from airpatch_cli.grammar.keeping_releases import store_argument
from airpatch_cli.grammar.shared_options import effort_options, output_option, page_option, sign_option
from airpatch_cli.grammar.values import memory_size, path, positive, shard_number, word


@command(
    "plan the patches between releases of a store: which layer patches they need, each once, and what is missing",
    "airpatch plan /srv/releases --to 4.2.1 --last 5 -o 4.2.1.plan",
    "airpatch plan s3://releases/shop --to 4.2.1 --from 4.2.0 --from 4.1.0 --effort best -o 4.2.1.plan",
    "airpatch plan /srv/releases --to 4.2.1 --last 5 -o 4.2.1.plan --html ways.html",
    "airpatch plan /srv/releases --to 4.2.0 --to 4.2.1 --site oslo.inventory --site riga.inventory -o 4.2.1.plan",
)
def plan(parser: ArgumentParser) -> None:
    store_argument(parser)
    parser.add_argument(
        "--to",
        type=word,
        action="append",
        required=True,
        metavar="RELEASE",
        help="release that the patches lead to, of each product that has one of that name; may be repeated",
    )
    bases = parser.add_mutually_exclusive_group()
    bases.add_argument(
        "--from",
        dest="bases",
        type=word,
        action="append",
        default=[],
        metavar="RELEASE",
        help="release that sites have; may be repeated",
    )
    bases.add_argument(
        "--last", type=positive, metavar="N", help="the N releases of the product with the next lower numbers"
    )
    parser.add_argument(
        "--site",
        dest="sites",
        type=path,
        action="append",
        default=[],
        metavar="INVENTORY",
        help="a site, by what 'airpatch inventory' wrote there: patches also lead from the newest release that it has, "
        "and the smallest chain of patches for it is told; may be repeated",
    )
    parser.add_argument("--product", type=word, metavar="NAME", help="only this product (default: each)")
    effort_options(parser)
    output_option(parser, "the plan")
    page_option(parser)


@command(
    "make the layer patches of a plan and put them into the store",
    "airpatch work /srv/releases 4.2.1.plan",
    "airpatch work s3://releases/shop 4.2.1.plan --shard 2/4",
    "airpatch work s3://releases/shop 4.2.1.plan --engine dask://scheduler.example:8786",
)
def work(parser: ArgumentParser) -> None:
    store_argument(parser)
    parser.add_argument("plan", type=word, metavar="PLAN", help="a file that 'airpatch plan' wrote")
    parser.add_argument(
        "--engine",
        type=word,
        default="local",
        metavar="local|dask-local:N|dask://HOST:PORT",
        help="where to work: the threads of this process, N processes of Dask on this host, or the workers of a "
        "scheduler of Dask, which must reach the store, too (default: local; Dask needs the 'cluster' extra)",
    )
    parser.add_argument(
        "--shard",
        type=shard_number,
        metavar="I/N",
        help="do the I-th of N equal parts, from 1/N to N/N, while other workers do the others (default: all)",
    )
    parser.add_argument(
        "--memory",
        type=memory_size,
        metavar="SIZE",
        help="how much memory each worker may use, such as 512MiB or 4GiB (default: what the plan is for)",
    )


@command(
    "write a patch out of the layer patches in a store: the very file that diff would make",
    "airpatch collect /srv/releases --from 4.2.0 --to 4.2.1 -o 4.2.1.patch.tar.zst",
)
def collect(parser: ArgumentParser) -> None:
    store_argument(parser)
    parser.add_argument(
        "--from", dest="base", type=word, required=True, metavar="RELEASE", help="release that sites have"
    )
    parser.add_argument(
        "--to", dest="target", type=word, required=True, metavar="RELEASE", help="release that the patch leads to"
    )
    parser.add_argument("--product", type=word, metavar="NAME", help="product of both (default: the only one)")
    effort_options(parser)
    output_option(parser, "the patch")
    sign_option(parser)
