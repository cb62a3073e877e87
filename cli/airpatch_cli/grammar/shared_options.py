"""Arguments and options that several commands share."""

from __future__ import annotations

import argparse

from airpatch_cli.grammar.registry_options import pull_options
from airpatch_cli.grammar.values import (
    file_beside,
    memory_size,
    moment,
    natural,
    nonempty,
    output_name,
    path,
    positive,
    word,
)
from airpatch_cli.parser import Condition, only_with

SOURCE = (
    "a tree of skopeo dir: images, a registry's storage, an OCI layout, an OCI or docker archive, containerd's "
    "storage, a bundle or a release in a store (STORE#RELEASE); a prefix (dir:, registry:, oci:, oci-archive:, "
    "docker-archive:, containerd:, bundle:, store:) disambiguates; docker://HOST[:PORT]/REPOSITORY[:TAG|@DIGEST] "
    "is an image in a registry"
)


def source_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", type=nonempty, nargs="*", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--release", type=word, metavar="NAME", help="name of the release (default: the tag that most images carry)"
    )
    parser.add_argument(
        "--product",
        type=word,
        metavar="NAME",
        help="product that the release belongs to; a root keeps the releases of each product apart (default: that of "
        'the base, or of a bundle as the source, else "default")',
    )
    parser.add_argument(
        "--sequence",
        type=natural,
        metavar="N",
        help="number that grows from release to release (default: 0; for a patch, one above the highest of its bases "
        "where all have one; in a store, one above the highest of its product)",
    )
    parser.add_argument(
        "--images-list", type=path, metavar="FILE", help="take only these images: one reference per line"
    )
    images_from = parser.add_argument(
        "--from",
        dest="images_from",
        type=word,
        metavar="docker://HOST[/PREFIX]",
        help="fetch the listed images from this registry, where NAME:TAG is HOST/PREFIX/NAME:TAG",
    )
    only_with(Condition(lambda args: args.images_list, "without --images-list"), images_from)
    parser.add_argument(
        "--tag",
        type=word,
        action="append",
        default=[],
        dest="tags",
        metavar="[DIGEST=]NAME:TAG",
        help="give a name to an image that has no tag; DIGEST may be omitted if there is only one such image",
    )
    parser.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="DIR=REPOSITORY",
        type=nonempty,
        help="pack this folder of other files, such as scripts and charts, as an artifact of the release; may be "
        "repeated",
    )
    pull_options(parser)


def base_options(parser: argparse.ArgumentParser) -> argparse.Action:
    """Add --base, and --content, which is returned."""
    parser.add_argument(
        "--base",
        type=nonempty,
        action="append",
        required=True,
        dest="bases",
        metavar="BASE",
        help="what a target has: a bundle, a patch, a registry's root, an inventory, a request written by apply, "
        "an archive of images, containerd's storage, or a release in a store (STORE#RELEASE); may be "
        "repeated, and the patch then fits targets that have any one of them",
    )
    return content_option(parser)


def content_option(parser: argparse.ArgumentParser) -> argparse.Action:
    return parser.add_argument(
        "--content",
        action="append",
        default=[],
        dest="contents",
        metavar="FILE",
        type=nonempty,
        help="a bundle, a registry's root or a store that holds blobs of the bases, for layer patches to build upon; "
        "may be repeated (an inventory only lists what a target has and holds no blobs)",
    )


def reader_option(group: argparse._ActionsContainer) -> argparse.Action:
    return group.add_argument(
        "--for",
        action="append",
        default=[],
        dest="readers",
        metavar="VERSION|INVENTORY",
        type=nonempty,
        help="use no more than this version of airpatch can carry out, or the one that made this inventory; may be "
        "repeated (default: what those that made inventories among the bases can)",
    )


def root_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=path, metavar="ROOT", help="the directory that holds docker/registry/v2")


def output_option(parser: argparse.ArgumentParser, what: str = "the bundle") -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=output_name,
        required=True,
        metavar="FILE",
        help=f"where to write {what}, - for standard output",
    )


def page_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--html",
        type=file_beside,
        metavar="FILE",
        help="also write all of this as a page for a browser, which loads nothing from elsewhere",
    )


def form_options(parser: argparse._ActionsContainer, *archives: str) -> tuple[argparse.Action, argparse.Action]:
    form = parser.add_argument(
        "--as",
        dest="kind",
        choices=("dir", "oci", *archives),
        help="one folder for each image as in skopeo's dir: transport, or one OCI layout for all"
        f"{', that layout as a tar archive, or an archive for docker load' if archives else ''} (default: dir"
        f"{'; needed where OUT is named like an archive' if archives else ''})",
    )
    link = parser.add_argument(
        "--link",
        choices=("copy", "hard", "reflink"),
        help="how to create files (default: copy, which is safe to edit)",
    )
    return form, link


def files_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--files",
        dest="files_to",
        type=path,
        metavar="DIR",
        help="lay out the files of the release (create --files) in this folder; those of an earlier release are "
        "replaced in one step",
    )


def effort_options(group: argparse._ActionsContainer, condition: str = "") -> tuple[argparse.Action, argparse.Action]:
    effort = group.add_argument(
        "--effort",
        choices=("fast", "default", "best"),
        help=f"{condition}how much time to spend on a smaller result (default: default)",
    )
    memory = group.add_argument(
        "--memory",
        type=memory_size,
        metavar="SIZE",
        help=f"{condition}how much memory to use, such as 512MiB or 4GiB (default: 1GiB)",
    )
    return effort, memory


def expiry_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--expires",
        type=moment,
        metavar="DATE",
        help="hosts refuse the release from this moment on, by their own clocks: an RFC 3339 time such as "
        "2027-01-31T00:00:00Z (default: never)",
    )


def sign_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sign",
        dest="key",
        type=nonempty,
        metavar="KEY",
        help="sign the bundle with this private Ed25519 key, or with the SSH agent's key for this public key",
    )


def trust_options(parser: argparse.ArgumentParser, what: str) -> None:
    group = parser.add_argument_group("signatures")
    group.add_argument(
        "--trust",
        type=path,
        metavar="ALLOWED_SIGNERS",
        help=f"{what} must be signed by a key in this file, which ssh-keygen(1) describes",
    )
    only_with(Condition(lambda args: args.trust, "without --trust ALLOWED_SIGNERS"), *whom_to_trust(group))


def whom_to_trust(group: argparse._ActionsContainer) -> tuple[argparse.Action, ...]:
    revoked = group.add_argument(
        "--revoked", type=path, metavar="FILE", help="revoked keys, in a file as ssh-keygen -Y verify -r takes it"
    )
    principals = group.add_argument(
        "--principal",
        type=word,
        dest="principals",
        action="append",
        default=[],
        metavar="NAME",
        help="who must have signed (default: anyone in the file); may be repeated, and one of them suffices",
    )
    threshold = group.add_argument(
        "--threshold", type=positive, metavar="N", help="how many different principals must have signed (default: 1)"
    )
    return revoked, principals, threshold


def tool_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--with-tool",
        type=path,
        nargs="?",
        const=True,
        default=False,
        metavar="FOLDER",
        help="also put airpatch's executable and a README.txt for the person on site beside the bundle. FOLDER is a "
        "release of airpatch (default: the running executable; then put the option after SOURCE)",
    )
