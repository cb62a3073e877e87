"""The grammar of the command line. Imports nothing that takes time: `--help` and completion need this module alone."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from airpatch_cli.parser import Need, Parser, only_with

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[Parser]

_DESCRIPTION = """\
Pack the container images of a release into one file, make small patches between releases, and
apply them on hosts without a network, with every digest exactly as it was."""

EXIT_CODES = """\
exit codes:
  0 done                            5 the target lacks blobs that the patch needs
  1 internal error                  6 not trusted, or older than what is installed
  2 wrong arguments                 7 an input image is unusable
  3 not a valid bundle              8 the target cannot be written
  4 content without its digest"""

_LEAST_MEMORY = 256 << 20
_SOURCE = (
    "a tree of skopeo dir: images, a registry's storage, an OCI layout, an OCI or docker archive, containerd's storage "
    "or a bundle; a prefix (dir:, registry:, oci:, oci-archive:, docker-archive:, containerd:, bundle:) disambiguates; "
    "docker://HOST[:PORT]/REPOSITORY[:TAG|@DIGEST] is an image in a registry"
)


class _Version(argparse.Action):
    """Asks for the version only when it is wanted: the metadata of the distribution takes time to load."""

    def __init__(self, option_strings: list[str], dest: str, **_: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from importlib.metadata import version

        print(f"airpatch {version('airpatch')}")
        parser.exit()


def help_words(words: Sequence[str]) -> Sequence[str]:
    """The command line that `words` stand for: `airpatch help COMMAND` and bare `airpatch` ask for help."""
    if not words:
        return ["--help"]
    return [*words[1:2], "--help"] if words[0] == "help" else words


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands. It raises UsageError instead of leaving."""
    parser = Parser(
        prog="airpatch",
        description=_DESCRIPTION,
        epilog=f"airpatch help COMMAND says more of one.\n\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    _create(commands)
    _diff(commands)
    _explain(commands)
    _apply(commands)
    _merge(commands)
    _inventory(commands)
    _rollback(commands)
    _prune(commands)
    _inspect(commands)
    _verify(commands)
    _restore(commands)
    _sign(commands)
    _trust(commands)
    _completion(commands)
    return parser


def _command(
    commands: _Commands, name: str, help_: str, *examples: str, is_long: bool = True
) -> argparse.ArgumentParser:
    """A command with its common options; those for work that takes long only where it can."""
    epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
    parser = commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=epilog,
    )
    common = parser.add_argument_group("common options")
    common.add_argument("--json", action="store_true", help="print one JSON document, for errors too")
    if is_long:
        common.add_argument("--jobs", type=_positive, metavar="N", help="threads (default: one for each processor)")
        common.add_argument(
            "--progress", choices=("auto", "bar", "plain", "off"), default="auto", help="on stderr (default: auto)"
        )
    common.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    common.add_argument("-v", "--verbose", action="count", default=0, help="say what was decided, and why; twice: more")
    return parser


def _create(commands: _Commands) -> None:
    parser = _command(
        commands,
        "create",
        "pack images into a full bundle",
        "airpatch create images/ -o shop-r1.tar.zst",
        "airpatch create images/ --images-list images-list.txt --release 4.2.0 --sequence 420 -o shop.tar.zst",
        "airpatch create registry:/var/lib/registry -o - | ssh host airpatch apply - --root /var/lib/registry",
        "airpatch create images/ --repack --effort best -o shop-r1-small.tar.zst",
    )
    _sources(parser)
    group = parser.add_argument_group("smaller bundles")
    group.add_argument(
        "--repack",
        action="store_true",
        help="send layers uncompressed where that is smaller, to be compressed again on the target: takes time on both "
        "sides, and plain tar cannot unpack the images any more",
    )
    only_with(Need(lambda args: args.repack, "without --repack"), *_effort(group, "with --repack: "))
    _output(parser)
    _signing(parser)


def _apply(commands: _Commands) -> None:
    parser = _command(
        commands,
        "apply",
        "merge bundles into a registry's storage, which a registry may be serving",
        "airpatch apply shop-r1.tar.zst --root /var/lib/registry",
        "ssh host airpatch apply - --root /var/lib/registry < shop-r1.tar.zst",
        "airpatch apply shop-r1-r2.tar.zst --root /var/lib/registry --restore images/",
    )
    parser.add_argument("bundles", type=_named, nargs="+", metavar="BUNDLE", help="a bundle, - for standard input")
    parser.add_argument(
        "--root", type=_path, required=True, metavar="DIR", help="the directory that holds docker/registry/v2"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be written and what is missing; write nothing"
    )
    parser.add_argument("--deep", action="store_true", help="also hash the blobs that the patch needs")
    parser.add_argument("--allow-downgrade", action="store_true", help="accept an older sequence number than installed")
    parser.add_argument(
        "--request", type=_path, metavar="FILE", help="if blobs are missing, write down which, for diff --base FILE"
    )
    parser.add_argument("--restore", type=_path, metavar="DIR", help="restore the release's images there afterwards")
    form = _restoring(parser.add_argument_group("with --restore"))
    only_with(Need(lambda args: args.restore, "without --restore"), *form)
    _trusting(parser, "every bundle")


def _diff(commands: _Commands) -> None:
    parser = _command(
        commands,
        "diff",
        "make a patch: the new release without what its targets have",
        "airpatch diff --base shop-r1.tar.zst images-r2/ -o shop-r1-r2.tar.zst",
        "airpatch diff --base shop-r1.tar.zst --base shop-r2.tar.zst images-r3/ -o shop-r3-patch.tar.zst",
        "airpatch diff --base qa-host.inventory images-r2/ -o shop-qa-r2.tar.zst",
    )
    _bases(parser)
    _sources(parser)
    group = parser.add_argument_group("layer patches")
    group.add_argument(
        "--no-layer-patches",
        dest="layer_patches",
        action="store_false",
        help="send every changed blob whole: nothing to rebuild on the target",
    )
    only_with(Need(lambda args: args.layer_patches, "with --no-layer-patches"), *_effort(group))
    _output(parser)
    _signing(parser)


def _explain(commands: _Commands) -> None:
    parser = _command(
        commands,
        "explain",
        "say what a patch will cost before it is made: which images, layers and files make it grow",
        "airpatch explain --base shop-r1.tar.zst images-r2/",
        "airpatch explain --base shop-r1.tar.zst images-r2/ --effort fast --top 3",
        "airpatch explain --base shop-r1.tar.zst images-r2/ --json | jq .bytes",
    )
    _bases(parser)
    _sources(parser)
    parser.add_argument(
        "--top", type=_natural, default=10, metavar="N", help="files to list of each layer (default: 10)"
    )
    _effort(parser.add_argument_group("layer patches"))


def _bases(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base",
        type=_named,
        action="append",
        required=True,
        dest="bases",
        metavar="BASE",
        help="what a target has: a bundle, a patch, a registry's root, an inventory, or the request of an apply; "
        "may be repeated, and the patch fits targets that have any one of them",
    )
    parser.add_argument(
        "--content",
        action="append",
        default=[],
        dest="contents",
        metavar="FILE",
        type=_named,
        help="a bundle or a registry's root that holds blobs of the bases, for layer patches to build upon; may be "
        "repeated (an inventory says what a target has, and holds nothing)",
    )


def _merge(commands: _Commands) -> None:
    parser = _command(
        commands,
        "merge",
        "make a full bundle of a full bundle and patches, or one patch of a chain of them",
        "airpatch merge shop-r1.tar.zst shop-r1-r2.tar.zst -o shop-r2.tar.zst",
        "airpatch merge --patch shop-r1-r2.tar.zst shop-r2-r3.tar.zst -o shop-r1-r3.tar.zst",
    )
    parser.add_argument("bundles", type=_named, nargs="+", metavar="BUNDLE", help="in the order of their releases")
    parser.add_argument("--patch", action="store_true", help="all of them are patches; make one patch")
    _output(parser)
    _signing(parser)
    _trusting(parser, "every bundle")


def _inventory(commands: _Commands) -> None:
    parser = _command(
        commands,
        "inventory",
        "write down what a registry's storage has, in a few KiB for the sender",
        "airpatch inventory /var/lib/registry -o qa-host.inventory",
        is_long=False,
    )
    _root_argument(parser)
    parser.add_argument(
        "--product",
        type=_named,
        metavar="NAME",
        help="the product whose current release is named (default: the only one)",
    )
    _output(parser, "the inventory")


def _rollback(commands: _Commands) -> None:
    parser = _command(
        commands,
        "rollback",
        "point the tags back at a release that is installed",
        "airpatch rollback /var/lib/registry",
        "airpatch rollback /var/lib/registry --to 4.1.0",
    )
    _root_argument(parser)
    parser.add_argument(
        "--product", type=_named, metavar="NAME", help="the product to take back (default: the only one)"
    )
    parser.add_argument(
        "--to", metavar="RELEASE", help="its name, or the beginning of its id (default: the one before the current)"
    )


def _prune(commands: _Commands) -> None:
    parser = _command(
        commands,
        "prune",
        "forget old releases and remove what nothing else needs",
        "airpatch prune /var/lib/registry --keep 2 --dry-run",
        "airpatch prune /var/lib/registry --keep 1",
        is_long=False,
    )
    _root_argument(parser)
    parser.add_argument(
        "--product", type=_named, metavar="NAME", help="prune this product only (default: one after the other)"
    )
    parser.add_argument(
        "--keep", type=_positive, default=2, metavar="N", help="releases to keep, the current one counted (default: 2)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed; remove nothing")


def _root_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=_path, metavar="ROOT", help="the directory that holds docker/registry/v2")


def _inspect(commands: _Commands) -> None:
    parser = _command(
        commands,
        "inspect",
        "show what is in a bundle, an inventory or a request, or on a registry's root",
        "airpatch inspect shop-r1.tar.zst",
        "airpatch inspect shop-r1-r2.tar.zst --blobs",
        "airpatch inspect qa-host.inventory",
        "airpatch inspect images/ --layers",
        "airpatch inspect /var/lib/registry --json | jq .releases",
    )
    parser.add_argument(
        "subject",
        type=_named,
        metavar="WHAT",
        help="a bundle, an inventory, the request of an apply, or the directory that holds docker/registry/v2; with "
        "--layers any source of images",
    )
    parser.add_argument("--blobs", action="store_true", help="also list the blobs (--json always has them)")
    parser.add_argument("--layers", action="store_true", help="name the encoder of each layer instead")


def _verify(commands: _Commands) -> None:
    parser = _command(
        commands,
        "verify",
        "check every byte of a bundle or of a registry's root, and list all that is wrong",
        "airpatch verify shop-r1.tar.zst",
        "airpatch verify - < shop-r1.tar.zst",
        "airpatch verify shop-r1-r2.patch.tar.zst --base shop-r1.tar.zst",
        "airpatch verify /var/lib/registry",
    )
    parser.add_argument(
        "subject",
        type=_named,
        metavar="WHAT",
        help="a bundle, - for standard input, or the directory that holds docker/registry/v2",
    )
    parser.add_argument(
        "--base",
        type=_named,
        metavar="BASE",
        help="for a patch: also carry out its layer patches, in scratch files in the current directory, with what this "
        "full bundle or registry's root holds (a full bundle needs none)",
    )
    _trusting(parser, "the bundle")


def _restore(commands: _Commands) -> None:
    parser = _command(
        commands,
        "restore",
        "write images out of a registry's root or a bundle, as skopeo reads them",
        "airpatch restore /var/lib/registry -o images/",
        "airpatch restore shop-r1.tar.zst -o images/ --image shop/web:r1 --image shop/worker",
        "airpatch restore shop-r1.tar.zst -o layout/ --as oci",
        "airpatch restore shop-r1.tar.zst -o - --as oci-archive | ctr -n k8s.io images import -",
        "airpatch restore /var/lib/registry -o images/ --link hard && skopeo sync --src dir --dest docker "
        "images/ harbor.example/shop",
    )
    parser.add_argument("source", type=_named, metavar="FROM", help=_SOURCE)
    parser.add_argument(
        "-o",
        "--output",
        type=_named,
        required=True,
        metavar="OUT",
        help="the folder or archive that the images go to, - for an archive on standard output",
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        dest="images",
        metavar="NAME",
        help="this image only, a reference as in an images list, or all tags of a repository; may be repeated",
    )
    parser.add_argument(
        "--release", type=_named, metavar="NAME", help="this release of a root: its name, or the beginning of its id"
    )
    parser.add_argument("--exact", action="store_true", help="remove the folders of other images from DIR")
    _restoring(parser, "oci-archive", "docker-archive")
    _trusting(parser, "the bundle")


def _sign(commands: _Commands) -> None:
    parser = _command(
        commands,
        "sign",
        "sign a bundle as ssh-keygen does, over its index and thereby over every byte of it",
        "airpatch sign shop-r1.tar.zst --key ~/.ssh/id_ed25519",
        "airpatch sign shop-r1.tar.zst --key release.pub",
        "airpatch sign shop-r1.tar.zst --export message",
        "ssh-keygen -Y sign -n airpatch -f token.pub message",
        "airpatch sign shop-r1.tar.zst --import message.sig",
        is_long=False,
    )
    parser.add_argument("bundle", type=_named, metavar="BUNDLE", help="the file, which gets the signature")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--key",
        type=_named,
        metavar="KEY",
        help="a private Ed25519 key, or the public key of one that an agent holds",
    )
    how.add_argument("--export", type=_named, metavar="FILE", help="write what is to be signed elsewhere; sign nothing")
    how.add_argument(
        "--import",
        dest="signatures",
        type=_named,
        action="append",
        default=[],
        metavar="FILE.sig",
        help="add a signature that was made elsewhere; may be repeated",
    )


def _trust(commands: _Commands) -> None:
    parser = _command(
        commands,
        "trust",
        "make a registry's root demand signatures for good",
        "airpatch trust /var/lib/registry allowed_signers --threshold 2",
        "airpatch trust /var/lib/registry new_signers",
        is_long=False,
    )
    _root_argument(parser)
    parser.add_argument(
        "allowed_signers",
        type=_path,
        metavar="ALLOWED_SIGNERS",
        help="who is trusted: a file as in ssh-keygen(1)",
    )
    _whom_to_trust(parser)
    parser.add_argument(
        "--force", action="store_true", help="trust them though those trusted now did not sign it (owner only)"
    )


def _trusting(parser: argparse.ArgumentParser, what: str) -> None:
    group = parser.add_argument_group("signatures")
    group.add_argument(
        "--trust",
        type=_path,
        metavar="ALLOWED_SIGNERS",
        help=f"{what} must be signed by one of these, as ssh-keygen(1) describes the file",
    )
    only_with(Need(lambda args: args.trust, "without --trust ALLOWED_SIGNERS"), *_whom_to_trust(group))


def _whom_to_trust(group: argparse._ActionsContainer) -> tuple[argparse.Action, ...]:
    revoked = group.add_argument(
        "--revoked", type=_path, metavar="FILE", help="keys that do not count, as ssh-keygen -Y verify -r takes them"
    )
    principals = group.add_argument(
        "--principal",
        dest="principals",
        action="append",
        default=[],
        metavar="NAME",
        help="who must have signed (default: any of the file); may be repeated, one of them suffices",
    )
    threshold = group.add_argument(
        "--threshold", type=_positive, metavar="N", help="how many different principals must have signed (default: 1)"
    )
    return revoked, principals, threshold


def _signing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sign",
        dest="key",
        type=_named,
        metavar="KEY",
        help="sign the bundle with this private Ed25519 key, or the agent's key to this public one",
    )


def _completion(commands: _Commands) -> None:
    parser = _command(
        commands,
        "completion",
        "print a script that completes airpatch's command line in a shell",
        'eval "$(airpatch completion bash)"    # in ~/.bashrc',
        'airpatch completion zsh > "${fpath[1]}/_airpatch"',
        "airpatch completion fish > ~/.config/fish/completions/airpatch.fish",
        is_long=False,
    )
    parser.add_argument(
        "shell", choices=("bash", "fish", "tcsh", "zsh"), metavar="SHELL", help="bash, fish, tcsh or zsh"
    )


def _sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", type=_named, nargs="*", metavar="SOURCE", help=_SOURCE)
    parser.add_argument(
        "--release", metavar="NAME", help="name of the release (default: the tag that most images carry)"
    )
    parser.add_argument(
        "--product",
        type=_named,
        metavar="NAME",
        help="product that the release is of: a root keeps the releases of each apart (default: that of the base or of "
        'a bundle as the source, else "default")',
    )
    parser.add_argument(
        "--sequence",
        type=_natural,
        metavar="N",
        help="number that grows from release to release (default: 0; of a patch one more than the bases have)",
    )
    parser.add_argument(
        "--images-list", type=_path, metavar="FILE", help="take these images only: one reference a line"
    )
    images_from = parser.add_argument(
        "--from",
        dest="images_from",
        type=_named,
        metavar="docker://HOST[/PREFIX]",
        help="fetch the images of the list from this registry: NAME:TAG is there as HOST/PREFIX/NAME:TAG",
    )
    only_with(Need(lambda args: args.images_list, "without --images-list"), images_from)
    _pulling(parser)
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        dest="tags",
        metavar="[DIGEST=]NAME:TAG",
        help="name an image that has no tag; the digest may be left out where it is the only one",
    )


def _pulling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images in registries (docker://)")
    platform = group.add_argument(
        "--platform",
        type=_named,
        metavar="OS/ARCH[/VARIANT]",
        help="take this image out of an index, in the place of the index (default: all of it)",
    )
    referrers = group.add_argument(
        "--referrers", action="store_true", help="take signatures, SBOMs and attestations of the images, too"
    )
    cache = group.add_argument(
        "--cache", type=_path, metavar="DIR", help="keep blobs there, so that the next release fetches only new ones"
    )
    only_with(Need(_reads_registry, "without a docker:// source"), platform, referrers, cache, *_reaching(group))


def _reaching(group: argparse._ActionsContainer) -> tuple[argparse.Action, ...]:
    """How a registry is reached."""
    return (
        group.add_argument("--ca", type=_path, metavar="FILE", help="certificates of authorities to trust as well"),
        group.add_argument("--cert", type=_path, metavar="FILE", help="certificate that this client presents"),
        group.add_argument("--key", dest="client_key", type=_path, metavar="FILE", help="its key, if apart from it"),
        group.add_argument(
            "--authfile",
            type=_path,
            metavar="FILE",
            help="credentials, as 'skopeo login' and 'docker login' write them (default: where these do)",
        ),
        group.add_argument(
            "--plain-http", action="store_true", help="HTTP without TLS, for a registry on this machine"
        ),
        group.add_argument("--connections", type=_positive, metavar="N", help="requests at the same time (default: 8)"),
    )


def _reads_registry(args: argparse.Namespace) -> bool:
    names = [*getattr(args, "sources", ()), *getattr(args, "bases", ()), getattr(args, "images_from", None) or ""]
    return any(name.startswith("docker://") for name in names)


def _effort(group: argparse._ActionsContainer, condition: str = "") -> tuple[argparse.Action, argparse.Action]:
    effort = group.add_argument(
        "--effort",
        choices=("fast", "default", "best"),
        help=f"{condition}time against size (default: default)",
    )
    memory = group.add_argument(
        "--memory",
        type=_memory,
        metavar="SIZE",
        help=f"{condition}such as 512MiB or 4GiB (default: 1GiB)",
    )
    return effort, memory


def _output(parser: argparse.ArgumentParser, what: str = "the bundle") -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=_output_name,
        required=True,
        metavar="FILE",
        help=f"where {what} goes, - for standard output",
    )


def _restoring(parser: argparse._ActionsContainer, *archives: str) -> tuple[argparse.Action, argparse.Action]:
    form = parser.add_argument(
        "--as",
        dest="kind",
        choices=("dir", "oci", *archives),
        help="a folder for each image as skopeo's dir: has it, or one OCI layout for all"
        f"{', that layout as a tar archive, or what docker load takes' if archives else ''} (default: dir)",
    )
    link = parser.add_argument(
        "--link",
        choices=("copy", "hard", "reflink"),
        help="how files are made (default: copy, safe to edit)",
    )
    return form, link


def _named(text: str) -> str:
    """A path that is not empty: an unset variable in a script must not stand for the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; for the current folder write .")
    return text


def _output_name(text: str) -> str:
    """A path, `-` for all names that the system has for standard output: the file behind them must not be replaced."""
    if _named(text).startswith(("/dev/", "/proc/")):
        with suppress(OSError):
            if os.path.samestat(Path(text).stat(), os.fstat(1)):
                return "-"
    return text


def _path(text: str) -> Path:
    return Path(_named(text))


def _memory(text: str) -> int:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if text.endswith(unit) and _natural(text.removesuffix(unit)):
            size = int(text.removesuffix(unit)) * factor
            if size < _LEAST_MEMORY:
                break
            return size
    raise argparse.ArgumentTypeError(f"a size of 256MiB or more, such as 512MiB or 4GiB, not {text!r:.40}")


def _positive(text: str) -> int:
    value = _natural(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"not a number: {text!r:.40}")
    return int(text)
