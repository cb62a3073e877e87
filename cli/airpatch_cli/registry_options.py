"""The options that say how registries are reached, and what is pulled out of them, as the library takes them."""

from __future__ import annotations

from argparse import Namespace

from airpatch import PullOptions, RegistryAccess


def access(args: Namespace) -> RegistryAccess:
    """Return how the registries of a command are reached."""
    return RegistryAccess(
        plain_http=args.plain_http,
        ca=args.ca,
        certificate=args.cert,
        key=args.client_key,
        auth_file=args.authfile,
        connections=args.connections or RegistryAccess().connections,
    )


def pulling(args: Namespace) -> PullOptions:
    """Return what is pulled, and how."""
    return PullOptions(access(args), cache=args.cache, platform=args.platform, referrers=args.referrers)
