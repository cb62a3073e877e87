"""README.txt on a medium: what the person on the site types, for that very release, in English and Chinese."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from airpatch.format.index import Index

_PREFIX = "airpatch-linux-"
_USUAL = f"{_PREFIX}x86_64"

_ENGLISH = """\
{title}

This medium holds {what} {bundle}, and the program airpatch,
which installs it. The program needs no network, no Python and no packages.

Type these three commands in the folder of this file:

1. Check that the program arrived intact:

   echo "{sha256}  {tool}" | sha256sum -c

2. Copy it to where programs are:

   sudo install -m 755 {tool} /usr/local/bin/airpatch

3. Install the release. ROOT stands for the folder that the registry keeps its storage in (the one
   with docker/registry/v2, such as /var/lib/registry); the registry may go on running:

   sudo airpatch apply {argument} --root ROOT{trust}

{notes}A command that fails says why and what to do, and has changed nothing. "airpatch doctor ROOT" tells
whether this host has all that is needed; "airpatch verify ROOT" checks every byte afterwards.
"""

_CHINESE = """\
{title}

本介质包含{what} {bundle}，以及安装它所用的程序 airpatch。
该程序不需要网络、Python 或任何软件包。

请在本文件所在的目录中依次输入以下三条命令：

1. 检查程序是否完好无损：

   echo "{sha256}  {tool}" | sha256sum -c

2. 把程序复制到系统的程序目录：

   sudo install -m 755 {tool} /usr/local/bin/airpatch

3. 安装该版本。ROOT 代表镜像仓库的存储目录（其中有 docker/registry/v2，
   例如 /var/lib/registry）；安装时镜像仓库可以保持运行：

   sudo airpatch apply {argument} --root ROOT{trust}

{notes}命令失败时会说明原因和解决办法，并且不会改动任何内容。“airpatch doctor ROOT” 检查本机是否具备所需的条件；
“airpatch verify ROOT” 可在安装后检查每一个字节。
"""

_BASES = "This is a patch: ROOT must already hold {bases}.\n"
_BASES_CHINESE = "这是补丁：ROOT 中必须已有 {bases}。\n"
_SIGNED = "ALLOWED_SIGNERS stands for the file with the sender's public keys, which you have received in another way.\n"
_SIGNED_CHINESE = "ALLOWED_SIGNERS 代表含有发送方公钥的文件，应通过其他途径取得。\n"
_OTHER = 'Where "uname -m" says {machine}, the program is {name}, with the sha256\n   {sha256}\n'
_OTHER_CHINESE = "如果 “uname -m” 显示 {machine}，程序则是 {name}，其 sha256 为\n   {sha256}\n"


def instructions(bundle: str, index: Index, sums: Mapping[str, str], *, is_signed: bool) -> str:
    """Return the text for the bundle of that name; `sums` has the sha256 of each executable, by its name."""
    release = index.release
    tool = _USUAL if _USUAL in sums else next(iter(sums))
    bases = " / ".join(base.name for base in index.bases)
    named = release.product != "default"
    values = {
        "bundle": bundle,
        "argument": shlex.quote(bundle),
        "tool": tool,
        "sha256": sums[tool],
        "trust": " --trust ALLOWED_SIGNERS" if is_signed else "",
    }
    others = [
        {"machine": name.removeprefix(_PREFIX), "name": name, "sha256": sums[name]} for name in sums if name != tool
    ]

    def notes(patch: str, signed: str, other: str) -> str:
        lines = [patch.format(bases=bases)] if bases else []
        lines += [signed] if is_signed else []
        return "".join([*lines, *(other.format(**each) for each in others)])

    english = _ENGLISH.format(
        **values,
        title=f"{release.product}: release {release.name}" if named else f"Release {release.name}",
        what="the patch" if bases else "the full bundle",
        notes=notes(_BASES, _SIGNED, _OTHER),
    )
    chinese = _CHINESE.format(
        **values,
        title=f"{release.product}：版本 {release.name}" if named else f"版本 {release.name}",
        what="补丁" if bases else "完整的安装包",
        notes=notes(_BASES_CHINESE, _SIGNED_CHINESE, _OTHER_CHINESE),
    )
    return f"{english}\n{chinese}"
