"""`airpatch plan`: which layer patches the patches between releases of a store need."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result, table, title_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airpatch import SiteWay, WrittenPlan


def run(args: Namespace, console: Console) -> Result:
    written = airpatch.plan(
        args.store,
        args.output,
        to=args.to,
        bases=args.bases,
        last=args.last or 0,
        sites=args.sites,
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
            _forecast(each.bytes, each.missing),
        ]
        for each in planned.pairs
    ]
    heads = ["PRODUCT", "FROM", "TO", "CHANGED LAYERS", "MISSING PATCHES", "SIZE"]
    pairs = [*table([heads, *rows], right=(3, 4, 5)), *_steps(written)] if rows else []
    return Result(
        {
            "plan": written.output,
            "store": written.where,
            **written.document,
        },
        [
            *pairs,
            *([""] if pairs and written.sites else []),
            *_sites(written),
            f"{title_of(written.output)}: at most {count(questions, 'layer patch')} to make, "
            f"for {count(len(tasks), 'layer')}; {planned.known:,} already in the store; "
            f"about {_duration(planned.seconds)} of processor time",
        ],
    )


def _steps(written: WrittenPlan) -> Iterator[str]:
    """Yield where several patches after each other are smaller than one."""
    for each in written.chains:
        if len(each.releases) > 2:
            names = ", ".join(of.release.name for of in each.releases[1:-1])
            first, last = each.releases[0].release, each.releases[-1].release
            yield f"  smallest from {first.title} to {last.name}: by way of {names}, {megabytes(each.bytes)}"


def _sites(written: WrittenPlan) -> Iterator[str]:
    """Yield what to send to each site."""
    if not written.sites:
        return
    rows = [["SITE", "PRODUCT", "HAS", "SEND", "SIZE"]]
    for each in written.sites:
        has = each.has.release.name if each.has is not None else "-"
        rows.append([each.site.name, each.product, has, *_sent(each)])
    yield from table(rows, right=(4,))
    yield from (f"  {each.site.name}: {each.remark}" for each in written.sites if each.remark)
    yield ""


def _sent(way: SiteWay) -> tuple[str, str]:
    """Return which patches a site gets, and their size, a forecast where some are not made yet."""
    chain = way.chain
    if chain is None:
        return "-", "-"
    if len(chain.releases) == 1:
        return "nothing, it is up to date", megabytes(0)
    names = " -> ".join(each.release.name for each in chain.releases)
    return names, _forecast(chain.bytes, chain.missing)


def _forecast(size: int, missing: int) -> str:
    """Return a size, which is a forecast where layer patches are `missing`."""
    return f"{'about ' if missing else ''}{megabytes(size)}"


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
