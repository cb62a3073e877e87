"""Options that say how to reach registries, and what to pull from them."""

from __future__ import annotations

import argparse

from airpatch_cli.grammar.values import path, positive, word
from airpatch_cli.parser import Condition, only_with

_PLACES = ("sources", "bases", "source", "base")
"""Names of the arguments that may be an address in a registry; `images_from` always is."""


def pull_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images in registries (docker://)")
    platform = group.add_argument(
        "--platform",
        type=word,
        metavar="OS/ARCH[/VARIANT]",
        help="take only this platform's image out of an index (default: the whole index)",
    )
    referrers = group.add_argument(
        "--referrers", action="store_true", help="also take the images' signatures, SBOMs and attestations"
    )
    cache = group.add_argument(
        "--cache",
        type=path,
        metavar="DIR",
        help="keep fetched blobs there, so that the next release fetches only new ones",
    )
    only_with(
        Condition(_reads_registry, "without a docker:// source"), platform, referrers, cache, *access_options(group)
    )


def access_options(group: argparse._ActionsContainer) -> tuple[argparse.Action, ...]:
    """Add the options that say how to reach a registry, and return them."""
    return (
        group.add_argument("--ca", type=path, metavar="FILE", help="additional CA certificates to trust"),
        group.add_argument("--cert", type=path, metavar="FILE", help="client certificate to present"),
        group.add_argument(
            "--key",
            dest="client_key",
            type=path,
            metavar="FILE",
            help="key of the client certificate, if in a separate file",
        ),
        group.add_argument(
            "--authfile",
            type=path,
            metavar="FILE",
            help="credentials as 'skopeo login' and 'docker login' write them (default: the files these write)",
        ),
        group.add_argument(
            "--plain-http", action="store_true", help="HTTP without TLS, for a registry on this machine"
        ),
        group.add_argument(
            "--connections", type=positive, metavar="N", help="maximum number of concurrent requests (default: 8)"
        ),
    )


def _reads_registry(args: argparse.Namespace) -> bool:
    if getattr(args, "images_from", None) is not None:
        return True
    values = (getattr(args, name, None) or () for name in _PLACES)
    names = (each for value in values for each in ([value] if isinstance(value, str) else value))
    return any(name.startswith("docker://") for name in names)
