"""`airpatch plan`: which layer patches the patches between releases of a store need."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airpatch import WrittenPlan


def run(args: Namespace, console: Console) -> Result:
    written = airpatch.plan(
        args.store,
        args.output,
        to=args.to,
        bases=args.bases,
        last=args.last or 0,
        product=args.product,
        effort=args.effort or "default",
        html=args.html,
        execution=console.execution,
    )
    planned = written.planned
    tasks = planned.plan.tasks
    questions = planned.plan.questions
    rows = [
        [
            each.pair.target.release.product,
            each.pair.base.release.name,
            each.pair.target.release.name,
            str(each.layers),
            str(each.missing),
            megabytes(each.bytes),
        ]
        for each in planned.pairs
    ]
    return Result(
        {
            "plan": written.output,
            "store": written.where,
            **written.document,
        },
        [
            *table([["PRODUCT", "FROM", "TO", "CHANGED LAYERS", "MISSING PATCHES", "SIZE"], *rows], right=(3, 4, 5)),
            *_steps(written),
            f"{written.output}: at most {count(questions, 'layer patch')} to make, for {count(len(tasks), 'layer')}; "
            f"{planned.known:,} already in the store; about {_duration(planned.seconds)} of processor time",
        ],
    )


def _steps(written: WrittenPlan) -> Iterator[str]:
    """Yield where several patches after each other are smaller than one."""
    for each in written.chains:
        if len(each.releases) > 2:
            names = ", ".join(of.release.name for of in each.releases[1:-1])
            first, last = each.releases[0].release, each.releases[-1].release
            yield f"  smallest from {first.title} to {last.name}: by way of {names}, {megabytes(each.bytes)}"


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
