"""Turns the options about reaching registries and pulling from them into the values that the library takes."""

from __future__ import annotations

from argparse import Namespace

from airpatch import PullOptions, RegistryAccess


def access(args: Namespace) -> RegistryAccess:
    """Return how to reach the registries of a command."""
    return RegistryAccess(
        plain_http=args.plain_http,
        ca=args.ca,
        certificate=args.cert,
        key=args.client_key,
        auth_file=args.authfile,
        connections=args.connections or RegistryAccess().connections,
    )


def pulling(args: Namespace) -> PullOptions:
    """Return what to pull, and how."""
    return PullOptions(access(args), cache=args.cache, platform=args.platform, referrers=args.referrers)
