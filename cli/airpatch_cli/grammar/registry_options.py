"""Options that say how registries are reached, and what is pulled out of them."""

from __future__ import annotations

import argparse

from airpatch_cli.grammar.values import path, positive, word
from airpatch_cli.parser import Condition, only_with

_PLACES = ("sources", "bases", "source", "base", "images_from")
"""Arguments that may be an address in a registry, by their names."""


def pull_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images in registries (docker://)")
    platform = group.add_argument(
        "--platform",
        type=word,
        metavar="OS/ARCH[/VARIANT]",
        help="take this image out of an index, in the place of the index (default: all of it)",
    )
    referrers = group.add_argument(
        "--referrers", action="store_true", help="take signatures, SBOMs and attestations of the images, too"
    )
    cache = group.add_argument(
        "--cache", type=path, metavar="DIR", help="keep blobs there, so that the next release fetches only new ones"
    )
    only_with(
        Condition(_reads_registry, "without a docker:// source"), platform, referrers, cache, *access_options(group)
    )


def access_options(group: argparse._ActionsContainer) -> tuple[argparse.Action, ...]:
    """Return how a registry is reached."""
    return (
        group.add_argument("--ca", type=path, metavar="FILE", help="certificates of authorities to trust as well"),
        group.add_argument("--cert", type=path, metavar="FILE", help="certificate that this client presents"),
        group.add_argument("--key", dest="client_key", type=path, metavar="FILE", help="its key, if apart from it"),
        group.add_argument(
            "--authfile",
            type=path,
            metavar="FILE",
            help="credentials, as 'skopeo login' and 'docker login' write them (default: where these do)",
        ),
        group.add_argument(
            "--plain-http", action="store_true", help="HTTP without TLS, for a registry on this machine"
        ),
        group.add_argument("--connections", type=positive, metavar="N", help="requests at the same time (default: 8)"),
    )


def _reads_registry(args: argparse.Namespace) -> bool:
    values = (getattr(args, name, None) or () for name in _PLACES)
    names = (each for value in values for each in ([value] if isinstance(value, str) else value))
    return any(name.startswith("docker://") for name in names)
