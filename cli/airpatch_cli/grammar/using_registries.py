"""Commands that move images into registries and to other hosts, or serve them as a registry."""

from __future__ import annotations

from argparse import ArgumentParser

from airpatch_cli.grammar.command import command
from airpatch_cli.grammar.registry_options import access_options
from airpatch_cli.grammar.shared_options import (
    content_option,
    effort_options,
    expiry_option,
    sign_option,
    source_options,
    trust_options,
)
from airpatch_cli.grammar.values import bundle, file_beside, memory_size, nonempty, path, word
from airpatch_cli.parser import Condition, only_with


@command(
    "push images to a registry through its API, with every digest unchanged",
    "airpatch push shop-r1.tar.zst docker://harbor.example/shop",
    "airpatch push shop-r1.tar.zst shop-r1-r2.tar.zst docker://harbor.example/shop",
    "airpatch push shop-r1-r2.tar.zst docker://harbor.example/shop    # onto what is there",
    "airpatch push /var/lib/registry docker://harbor.example --image shop/web --dry-run",
)
def push(parser: ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        type=nonempty,
        nargs="+",
        metavar="FROM",
        help="a root, a bundle or another source; or one of these and the patches that follow it; or only patches, "
        "whose base is what the registry has",
    )
    parser.add_argument("destination", type=word, metavar="docker://HOST[/PREFIX]", help="where to push the images")
    parser.add_argument(
        "--image",
        type=word,
        action="append",
        default=[],
        dest="images",
        metavar="NAME",
        help="only this image: a reference as in an images list, or a repository for all its tags; may be repeated",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        dest="renames",
        type=word,
        metavar="OLD=NEW",
        help="replace OLD with NEW at the beginning of repository names; may be repeated, and the first match applies",
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would be pushed; write nothing")
    parser.add_argument(
        "--request",
        type=file_beside,
        metavar="FILE",
        help="if blobs are missing, list them in this file, for diff --base FILE; if none is, remove an older request "
        "from there",
    )
    access_options(parser.add_argument_group("the registry"))
    trust_options(parser, "every bundle")


@command(
    "serve bundles as a read-only registry, straight from the files",
    "airpatch serve shop-r1.tar.zst",
    "airpatch serve shop-r1.tar.zst shop-r1-r2.tar.zst --listen 127.0.0.1:5001",
    "airpatch serve shop-r1-r2.tar.zst --root /var/lib/registry",
    "airpatch serve shop-r1.tar.zst --listen 0.0.0.0:5000 --cert server.crt --key server.key",
)
def serve(parser: ArgumentParser) -> None:
    parser.add_argument(
        "bundles", type=bundle, nargs="*", metavar="BUNDLE", help="a full bundle, then patches that follow it"
    )
    parser.add_argument(
        "--root", type=path, metavar="DIR", help="also serve this registry's storage, which the patches may follow"
    )
    parser.add_argument(
        "--listen",
        type=word,
        metavar="HOST:PORT",
        default="127.0.0.1:5000",
        help="address to listen on (default: 127.0.0.1:5000)",
    )
    parser.add_argument("--cert", type=path, metavar="FILE", help="serve TLS with this certificate")
    key = parser.add_argument(
        "--key", dest="server_key", type=path, metavar="FILE", help="key of the certificate, if in a separate file"
    )
    only_with(Condition(lambda args: args.cert, "without --cert FILE"), key)
    parser.add_argument(
        "--keep",
        dest="room",
        type=memory_size,
        metavar="SIZE",
        help="how much space rebuilt layers may take in scratch files (default: 2GiB)",
    )
    trust_options(parser, "every bundle")


@command(
    "bring images to a registry's root on another host over ssh, sending only what it lacks",
    "airpatch send images-r2/ qa.example:/var/lib/registry --content shop-r1.tar.zst",
    "airpatch send shop-r2.tar.zst root@qa.example:/var/lib/registry --ssh 'ssh -p 2222'",
    "airpatch send images-r2/ qa.example:/var/lib/registry --content shop-r1.tar.zst --via qa.patch.tar.zst",
)
def send(parser: ArgumentParser) -> None:
    source_options(parser)
    parser.add_argument("target", type=word, metavar="HOST:ROOT", help="the host, and the registry's root on it")
    content_option(parser)
    effort_options(parser.add_argument_group("layer patches"))
    expiry_option(parser)
    parser.add_argument(
        "--via",
        type=path,
        metavar="FILE",
        help="write the patch to this file, to be carried on a medium, and send nothing",
    )
    parser.add_argument(
        "--ssh",
        dest="shell",
        type=word,
        default="ssh",
        metavar="COMMAND",
        help="how to reach the host (default: ssh)",
    )
    parser.add_argument(
        "--remote-airpatch",
        dest="program",
        type=word,
        default="airpatch",
        metavar="COMMAND",
        help="how to run airpatch on the host, such as 'sudo airpatch' (default: airpatch)",
    )
    sign_option(parser)
    trust_options(parser, "every source, which must then be a bundle,")
