"""Commands that bring images into registries, or are one."""

from __future__ import annotations

from airpatch_cli.grammar.command import Commands, add_command
from airpatch_cli.grammar.registry_options import access_options
from airpatch_cli.grammar.shared_options import trust_options
from airpatch_cli.grammar.values import nonempty, path


def push(commands: Commands) -> None:
    parser = add_command(
        commands,
        "push",
        "push images into a registry through its API, with every digest as it is",
        "airpatch push shop-r1.tar.zst docker://harbor.example/shop",
        "airpatch push shop-r1.tar.zst shop-r1-r2.tar.zst docker://harbor.example/shop",
        "airpatch push shop-r1-r2.tar.zst docker://harbor.example/shop    # upon what is there",
        "airpatch push /var/lib/registry docker://harbor.example --image shop/web --dry-run",
    )
    parser.add_argument(
        "sources",
        type=nonempty,
        nargs="+",
        metavar="FROM",
        help="a root, a bundle or another source; or one of them and the patches that follow it; or patches alone, "
        "whose base is what the registry has",
    )
    parser.add_argument("destination", type=nonempty, metavar="docker://HOST[/PREFIX]", help="where the images go")
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        dest="images",
        metavar="NAME",
        help="this image only, a reference as in an images list, or all tags of a repository; may be repeated",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        dest="renames",
        type=nonempty,
        metavar="OLD=NEW",
        help="repositories that begin with OLD get NEW in its place; may be repeated, the first that fits counts",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be pushed; write nothing")
    parser.add_argument(
        "--request", type=path, metavar="FILE", help="if blobs are missing, write down which, for diff --base FILE"
    )
    access_options(parser.add_argument_group("the registry"))
    trust_options(parser, "every bundle")
