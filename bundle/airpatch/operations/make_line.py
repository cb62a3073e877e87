"""Makes all patches of a product line out of a store: plans them, works on a plan, collects what was made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airpatch.archive.inventory_files import is_inventory, read_inventory
from airpatch.archive.misfits import describe_other
from airpatch.blobs.output import STDOUT, destination
from airpatch.blobs.scratch import with_scratch
from airpatch.errors import FormatError, SourceError, UsageError, unreadable
from airpatch.execution import Execution
from airpatch.format import magics
from airpatch.format.inventories import Inventory
from airpatch.linux import read_start, real_path
from airpatch.operations.arguments import Paths, StrPath, beside, effort_of, names
from airpatch.operations.create_bundle import WrittenBundle, open_output
from airpatch.operations.pages import page_file
from airpatch.product_line.cluster import parse_engine, run_on_cluster
from airpatch.product_line.collecting import collect_patch
from airpatch.product_line.line_document import line_document
from airpatch.product_line.line_plan import MAX_PLAN, LinePlan, emit_plan, parse_plan
from airpatch.product_line.planning import Planned, plan_line
from airpatch.product_line.release_pairs import ReleasePair, choose_pairs, releases_called
from airpatch.product_line.sites import Site, SiteWay, newest_releases, site_ways
from airpatch.product_line.smallest_chains import PatchChain, smallest_chains
from airpatch.product_line.source_questions import PatchSettings
from airpatch.product_line.working import LineWork, run_tasks
from airpatch.report.html_page import PageKind, html_page
from airpatch.sources.gather import gather
from airpatch.store.object_names import release_name
from airpatch.store.release_store import ReleaseStore
from airpatch.store.store_address import parse_whole_store


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """A plan that was written to `output`, in `size` bytes, for the store `where`.

    `chains` are the smallest ways from each release to each that its patches lead to; `sites` say what sites need.
    """

    output: str
    size: int
    where: str
    planned: Planned
    chains: tuple[PatchChain, ...] = ()
    sites: tuple[SiteWay, ...] = ()

    @property
    def document(self) -> dict[str, object]:
        """What is planned, in JSON's types (spec/json.schema.json, `plan`)."""
        return line_document(self.planned, self.chains, self.sites)


def plan(
    store: StrPath,
    output: StrPath,
    *,
    to: Sequence[str],
    bases: Sequence[str] = (),
    last: int = 0,
    sites: Paths = (),
    product: str | None = None,
    effort: str = "default",
    html: StrPath | None = None,
    execution: Execution | None = None,
) -> WrittenPlan:
    """Plan the patches to the releases called `to` of a store: which layer patches they need, and which are missing.

    Patches lead from the releases of the same product that are called `bases`, from the `last` so many before each, and
    from the newest that each of `sites` has, inventories of roots; `product` restricts that to one. For each site, the
    result has the smallest chain of these patches. Each layer patch is planned once, whoever needs it. `effort` is
    `fast`, `default` or `best`; `execution.memory` is what `diff` would be given, and decides about the bytes of
    patches with it. The plan is written to the file `output`, `-` is standard output (spec/STORE.md, Plans). What the
    store does not know of its layers yet is found out first, and kept there. With `html`, the ways between the releases
    and their sizes are also written to that file, a page that loads nothing. Scratch files lie in the current folder.

    Raises UsageError if there is no such release, SourceError if a blob is missing, IntegrityError or FormatError if
    something is damaged, TargetError.
    """
    execution = with_scratch(execution or Execution(), Path.cwd())
    place = _open(store)
    _check_apart(place, output)
    if html is not None:
        _check_apart(place, html)
    if not (bases or last or sites):
        raise UsageError("nothing says what patches lead from: give --from, --last or --site")
    found, known = place.releases(), [_read_site(name) for name in names(sites)]
    held = {each.id for site in known for each in newest_releases(site, found).values()} if known else None
    targets = releases_called(found, place.address.spec, to, product)
    pairs = choose_pairs(found, place.address.spec, to, bases, last, product, held)
    settings = PatchSettings(effort_of(effort), execution.memory)
    with destination(os.fspath(output)) as sink, page_file(html, output) as page:
        planned = plan_line(place, pairs, settings, execution)
        content = emit_plan(planned.plan)
        sink.write([content])
        chains, ways = smallest_chains(planned.pairs), site_ways(known, found, targets, planned.pairs)
        written = WrittenPlan(os.fspath(output), len(content), place.name, planned, tuple(chains), tuple(ways))
        if page is not None:
            page.write([html_page(PageKind.LINE, f"Patches to {', '.join(to)}", written.document)])
    return written


def work(
    store: StrPath,
    plan_file: StrPath,
    *,
    engine: str = "local",
    shard: tuple[int, int] = (1, 1),
    memory: int | None = None,
    execution: Execution | None = None,
) -> LineWork:
    """Make the layer patches that a plan asks for, and put them into the store; those that are there are left alone.

    `engine` is `local`, the threads of this process; `dask-local:N`, N processes of Dask on this host; or
    `dask://HOST:PORT`, the workers of that scheduler. `shard` is the number of this worker, from 1 on, and of how many.
    Any number of workers may run at once, and be killed at any moment: each patch is carried out before it is
    published, and published once. A task that fails three times is among the `failed` of the result, and the others
    are done. `memory` in bytes bounds each worker (default: what the plan is for). Scratch files lie in the current
    folder; with Dask, in that of each worker.

    Raises FormatError if the plan is damaged or of another version of airpatch, UsageError if it is for releases that
    the store does not have, TargetError.
    """
    cluster = parse_engine(engine)
    read = _read_plan(Path(plan_file))
    number, of = shard
    if not 1 <= number <= of:
        raise UsageError(f"shard {number}/{of}: there are shards 1/{of} to {of}/{of}")
    execution = with_scratch(execution or Execution(), Path.cwd())
    execution = replace(execution, memory=memory or read.settings.memory)
    place, tasks = _open(store), read.shard(number, of)
    if any(place.objects.size(release_name(id_)) is None for pair in read.pairs for id_ in pair):
        raise UsageError(f"{plan_file}: this plan is for releases that {place.name} does not have: make it again")
    if cluster is not None:
        return run_on_cluster(cluster, place, tasks, read.settings, execution)
    return run_tasks(place, tasks, read.settings, execution)


def collect(
    store: StrPath,
    base: str,
    target: str,
    output: StrPath,
    *,
    product: str | None = None,
    effort: str = "default",
    key: StrPath | None = None,
    execution: Execution | None = None,
) -> WrittenBundle:
    """Write the patch from the release `base` of a store to its release `target`, out of layer patches that are there.

    It is, byte for byte, the file that `diff` makes of these releases with the same `effort` and the same memory.
    `product` is that of both (default: the only one with such releases). With `key`, it is signed as by `sign`.

    Raises UsageError if there is no such release, or a layer patch is missing, SourceError if a blob is missing or
    damaged, IntegrityError, FormatError, TargetError.
    """
    execution = beside(execution, output)
    place = _open(store)
    _check_apart(place, output)
    pair = _one_pair(place, base, target, product)
    settings = PatchSettings(effort_of(effort), execution.memory)
    with open_output(output, key) as written:
        gathered = gather([f"{_name(place)}#{pair.target.id.hex}"], execution)
        with collect_patch(place, pair, gathered, settings, execution) as bundle:
            try:
                return written.write(bundle, execution)
            except SourceError as error:
                remedy = f"'airpatch store verify {place.name}' says what to do"
                raise SourceError(f"{error.message}; {remedy}", error.findings) from None


def _check_apart(place: ReleaseStore, output: StrPath) -> None:
    """Raise UsageError if the file `output` lies in the folder of the store, whose objects it might replace."""
    folder, name = place.address.path, os.fspath(output)
    if folder is not None and name != STDOUT and real_path(Path(name)).is_relative_to(real_path(folder)):
        raise UsageError(f"{name}: lies in the store {place.name}: name a file elsewhere")


def _open(store: StrPath) -> ReleaseStore:
    return ReleaseStore(parse_whole_store(os.fspath(store)))


def _name(store: ReleaseStore) -> str:
    return store.address.url or f"store:{store.address.path}"


def _one_pair(store: ReleaseStore, base: str, target: str, product: str | None) -> ReleasePair:
    pairs = choose_pairs(store.releases(), store.address.spec, [target], [base], product=product)
    if len(pairs) > 1:
        raise UsageError(
            f"{store.address.spec}: several products have such releases; choose one with --product",
            [each.target.release.title for each in pairs],
        )
    return pairs[0]


def _read_site(name: str) -> Site:
    if not is_inventory(Path(name)):
        raise UsageError(f"{name}: is no inventory of a site, which 'airpatch inventory' writes there")
    value = read_inventory(Path(name))
    if not isinstance(value, Inventory):
        raise UsageError(f"{name}: is a request, which does not say what a site has: give an inventory")
    return Site(name, value)


def _read_plan(path: Path) -> LinePlan:
    try:
        content = read_start(path, MAX_PLAN + 1)
    except OSError as error:
        raise unreadable(str(path), error) from None
    try:
        if not content.startswith(magics.PLAN):
            raise FormatError(describe_other(content[: magics.HEAD], "a plan"))
        return parse_plan(content)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}") from None
