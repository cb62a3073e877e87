"""A root may hold several products: current release, sequence, keeping and going back are each product's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airpatch.errors import TrustError, UsageError
from airpatch.format import inventories
from airpatch.target.audit import audit_root
from airpatch.target.pruning import prune_root
from airpatch.target.rolling_back import roll_back
from airpatch.target.root import Root
from airpatch.target.state import all_current, receipts
from airpatch.target.stocktaking import make_request, take_inventory
from tests.support import execution
from tests.target.support import Killed, Sample, index_of, install, of_product, served, watched

SHOP = [of_product("shop", number) for number in (1, 2, 3)]
BANK = [of_product("bank", number) for number in (7, 8)]


@pytest.fixture
def two(root: Path) -> Path:
    """Both products, their releases one after the other."""
    for one in (SHOP[0], BANK[0], SHOP[1], BANK[1], SHOP[2]):
        install(root, one.full)
    return root


def names(root: Path) -> list[str]:
    with Root(root) as opened:
        return sorted(receipt.release.title for receipt in receipts(opened).values())


def verify(root: Path) -> None:
    with Root(root) as opened:
        verified = audit_root(opened, execution(1))
    assert (verified.findings, verified.obstacles) == ((), ())


def test_each_product_has_a_current_release(two: Path) -> None:
    with Root(two) as opened:
        assert all_current(opened) == {"shop": SHOP[2].id, "bank": BANK[1].id}
    verify(two)


def test_the_product_is_part_of_what_a_release_id_names() -> None:
    other = of_product("shop", 1)
    assert Sample(other.builder, other.release).id == SHOP[0].id
    assert index_of(SHOP[0].full).release.product == "shop"
    assert SHOP[0].id != of_product("bank", 1).id


@pytest.mark.parametrize("dry_run", [False, True])
def test_prune_goes_product_by_product(two: Path, *, dry_run: bool) -> None:
    with Root(two) as opened:
        pruned = prune_root(opened, 1, dry_run=dry_run)
    assert sorted(receipt.release.title for receipt in pruned.forgotten) == ["r1 of shop", "r2 of shop", "r7 of bank"]
    if not dry_run:
        assert names(two) == ["r3 of shop", "r8 of bank"]
        assert served(two) == SHOP[2].tags | BANK[1].tags
        verify(two)


def test_prune_of_one_product_leaves_the_others_whole(two: Path) -> None:
    with Root(two) as opened:
        prune_root(opened, 1, "shop")
    assert names(two) == ["r3 of shop", "r7 of bank", "r8 of bank"]
    assert served(two) == SHOP[2].tags | BANK[0].tags | BANK[1].tags
    verify(two)


def test_rollback_is_of_one_product_and_that_has_to_be_named(two: Path) -> None:
    with Root(two) as opened:
        with pytest.raises(UsageError, match="has several products: bank, shop; choose one with --product"):
            roll_back(opened, execution())
        done = roll_back(opened, execution(), product="bank")
        assert done.receipt.release == BANK[0].release
        assert done.left is not None
        assert done.left.release == BANK[1].release
        assert all_current(opened) == {"shop": SHOP[2].id, "bank": BANK[0].id}
        assert roll_back(opened, execution(), "r2", "shop").receipt.id == SHOP[1].id
        with pytest.raises(UsageError, match="is not installed"):
            roll_back(opened, execution(), "r2", "bank")


def test_an_inventory_is_of_one_product_and_that_has_to_be_named(two: Path) -> None:
    with Root(two) as opened:
        with pytest.raises(UsageError, match="choose one with --product"):
            take_inventory(opened)
        found = take_inventory(opened, "bank")
    assert (found.product, found.name, found.sequence) == ("bank", "r8", 8)
    assert found.repositories == ("bank/tools", "bank/web")
    assert found.blobs.keys() >= {blob.digest for blob in SHOP[2].release.blobs}
    assert inventories.parse(inventories.emit(found)) == found


def test_a_request_says_product_and_number() -> None:
    request = make_request(index_of(BANK[0].full), BANK[0].release.blobs)
    assert (request.product, request.name, request.sequence) == ("bank", "r7", 7)
    assert inventories.parse(inventories.emit(request)) == request


@pytest.mark.parametrize("wanted", ["bnak", "default", ""])
def test_a_product_that_is_not_there_is_refused(two: Path, wanted: str) -> None:
    with Root(two) as opened:
        for call in (
            lambda: roll_back(opened, execution(), product=wanted),
            lambda: prune_root(opened, 1, wanted),
            lambda: take_inventory(opened, wanted),
        ):
            with pytest.raises(UsageError, match=r"has no release of product .*; installed: bank, shop"):
                call()


def test_one_product_needs_no_name(root: Path) -> None:
    install(root, BANK[0].full, BANK[1].full)
    with Root(root) as opened:
        assert take_inventory(opened).product == "bank"
        assert roll_back(opened, execution()).receipt.id == BANK[0].id


# Going back


def test_adversary_7_numbers_are_compared_within_a_product(two: Path) -> None:
    install(two, of_product("new", 1).full)
    with pytest.raises(TrustError, match="release r1, number 1, would come after r3, number 3"):
        install(two, SHOP[0].full)
    assert install(two, SHOP[0].full, allow_downgrade=True)[0].left == "r3"
    with Root(two) as opened:
        assert all_current(opened)["bank"] == BANK[1].id


def unnumbered(product: str, number: int) -> Sample:
    one = of_product(product, number)
    return Sample(one.builder, replace(one.release, sequence=0))


def test_without_numbers_a_release_that_was_installed_is_a_step_back(root: Path) -> None:
    first, second = unnumbered("shop", 1), unnumbered("shop", 2)
    install(root, first.full)
    assert install(root, second.full)[0].left is None
    assert install(root, second.full)[0].left is None
    with pytest.raises(TrustError, match="release r1 was installed before r2, and no number says that it is newer"):
        install(root, first.full)
    assert install(root, first.full, allow_downgrade=True)[0].left == "r2"
    assert install(root, first.full)[0].left is None


def test_the_current_release_may_be_applied_again_after_a_rollback(two: Path) -> None:
    with Root(two) as opened:
        roll_back(opened, execution(), product="shop")
    assert install(two, SHOP[1].full)[0].left is None


def test_adversary_7_a_newer_release_that_was_interrupted_counts(root: Path) -> None:
    ended = False

    def killing(_number: int, _name: str, path: str) -> None:
        nonlocal ended
        ended = ended or path.startswith(".airpatch/releases")
        if ended:
            raise Killed

    install(root, SHOP[0].full)
    with pytest.raises(Killed), watched(killing):
        install(root, SHOP[1].full)
    journal = root / ".airpatch/journal"
    assert journal.exists()
    before = journal.read_bytes()
    with pytest.raises(TrustError, match="r2"):
        install(root, SHOP[0].full)
    assert journal.read_bytes() == before
    install(root, SHOP[1].full)
    assert not journal.exists()
