"""`airpatch store list`: the releases in a store."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.console import Console, Result
from airpatch_cli.store_results import release_data, release_table


def run(args: Namespace, _: Console) -> Result:
    found = airpatch.store_list(args.store)
    lines = release_table(found) if found else [f"{args.store}: holds no release yet"]
    return Result({"store": args.store, "releases": [release_data(each) for each in found]}, lines)
