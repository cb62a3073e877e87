"""Arguments and options that several commands have."""

from __future__ import annotations

import argparse

from airpatch_cli.grammar.registry_options import pull_options
from airpatch_cli.grammar.values import (
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
    "a tree of skopeo dir: images, a registry's storage, an OCI layout, an OCI or docker archive, containerd's storage "
    "or a bundle; a prefix (dir:, registry:, oci:, oci-archive:, docker-archive:, containerd:, bundle:) disambiguates; "
    "docker://HOST[:PORT]/REPOSITORY[:TAG|@DIGEST] is an image in a registry"
)


def source_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", type=nonempty, nargs="*", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--release",
        type=word,
        metavar="NAME",
        help="name of the release (default: the tag that most images carry)",
    )
    parser.add_argument(
        "--product",
        type=word,
        metavar="NAME",
        help="product that the release is of: a root keeps the releases of each apart (default: that of the base or of "
        'a bundle as the source, else "default")',
    )
    parser.add_argument(
        "--sequence",
        type=natural,
        metavar="N",
        help="number that grows from release to release (default: 0; of a patch one more than the bases have)",
    )
    parser.add_argument("--images-list", type=path, metavar="FILE", help="take these images only: one reference a line")
    images_from = parser.add_argument(
        "--from",
        dest="images_from",
        type=word,
        metavar="docker://HOST[/PREFIX]",
        help="fetch the images of the list from this registry: NAME:TAG is there as HOST/PREFIX/NAME:TAG",
    )
    only_with(Condition(lambda args: args.images_list, "without --images-list"), images_from)
    parser.add_argument(
        "--tag",
        type=word,
        action="append",
        default=[],
        dest="tags",
        metavar="[DIGEST=]NAME:TAG",
        help="name an image that has no tag; the digest may be left out where it is the only one",
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


def base_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base",
        type=nonempty,
        action="append",
        required=True,
        dest="bases",
        metavar="BASE",
        help="what a target has: a bundle, a patch, a registry's root, an inventory, or the request of an apply; "
        "may be repeated, and the patch fits targets that have any one of them",
    )
    content_option(parser)


def content_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--content",
        action="append",
        default=[],
        dest="contents",
        metavar="FILE",
        type=nonempty,
        help="a bundle or a registry's root that holds blobs of the bases, for layer patches to build upon; may be "
        "repeated (an inventory says what a target has, and holds nothing)",
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
        help=f"where {what} goes, - for standard output",
    )


def form_options(parser: argparse._ActionsContainer, *archives: str) -> tuple[argparse.Action, argparse.Action]:
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


def files_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--files",
        dest="files_to",
        type=path,
        metavar="DIR",
        help="lay out the files that the release brings there (create --files); what an earlier release laid out is "
        "replaced in one step",
    )


def effort_options(group: argparse._ActionsContainer, condition: str = "") -> tuple[argparse.Action, argparse.Action]:
    effort = group.add_argument(
        "--effort",
        choices=("fast", "default", "best"),
        help=f"{condition}time against size (default: default)",
    )
    memory = group.add_argument(
        "--memory",
        type=memory_size,
        metavar="SIZE",
        help=f"{condition}such as 512MiB or 4GiB (default: 1GiB)",
    )
    return effort, memory


def expiry_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--expires",
        type=moment,
        metavar="DATE",
        help="no host takes the release from then on, by its own clock: a time or date of RFC 3339, such as "
        "2027-01-31T00:00:00Z (default: never)",
    )


def sign_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sign",
        dest="key",
        type=nonempty,
        metavar="KEY",
        help="sign the bundle with this private Ed25519 key, or the agent's key to this public one",
    )


def trust_options(parser: argparse.ArgumentParser, what: str) -> None:
    group = parser.add_argument_group("signatures")
    group.add_argument(
        "--trust",
        type=path,
        metavar="ALLOWED_SIGNERS",
        help=f"{what} must be signed by one of these, as ssh-keygen(1) describes the file",
    )
    only_with(Condition(lambda args: args.trust, "without --trust ALLOWED_SIGNERS"), *whom_to_trust(group))


def whom_to_trust(group: argparse._ActionsContainer) -> tuple[argparse.Action, ...]:
    revoked = group.add_argument(
        "--revoked", type=path, metavar="FILE", help="keys that do not count, as ssh-keygen -Y verify -r takes them"
    )
    principals = group.add_argument(
        "--principal",
        type=word,
        dest="principals",
        action="append",
        default=[],
        metavar="NAME",
        help="who must have signed (default: any of the file); may be repeated, one of them suffices",
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
        help="also put the executable and a README.txt for the person on the site beside the bundle: out of the folder "
        "of a release of airpatch, or without one the executable that runs; stands behind SOURCE",
    )
