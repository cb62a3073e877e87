"""`airpatch store show`: the images of a release in a store."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.console import Console, Result, table
from airpatch_cli.store_results import release_data, release_table


def run(args: Namespace, _: Console) -> Result:
    found = airpatch.store_show(args.store, args.release, product=args.product)
    images = found.release.images
    rows = [[str(image.name), image.manifest.short, str(len(image.signatures))] for image in images]
    return Result(
        {
            "store": args.store,
            **release_data(found),
            "list": [
                {"image": str(image.name), "manifest": str(image.manifest), "signatures": len(image.signatures)}
                for image in images
            ],
        },
        [*release_table([found]), "", *table([["IMAGE", "MANIFEST", "SIGNATURES"], *rows], right=(2,))],
    )
