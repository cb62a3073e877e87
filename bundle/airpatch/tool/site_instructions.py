"""README.txt on a medium: what the person on the site types, for that very release, in English and Chinese."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from airpatch.format.index import Index

_ENGLISH = """\
{title}: release {release}

This medium holds {what} {bundle}, and airpatch,
the program that installs it. It needs no network, no Python and no packages.

Type these three commands in the folder of this file:

1. Check that the program arrived as it was sent:

   echo "{sha256}  {tool}" | sha256sum -c

2. Put it where it may be executed:

   sudo install -m 755 {tool} /usr/local/bin/airpatch

3. Install the release into the registry's storage. ROOT is the folder
   that holds docker/registry/v2, such as /var/lib/registry; the registry may be running:

   sudo airpatch apply {argument} --root ROOT{trust}

{need}If a command fails, it says why and what to do, and has changed nothing. "airpatch doctor ROOT" says
what this host provides; "airpatch verify ROOT" checks every byte afterwards.
"""

_CHINESE = """\
{title}：版本 {release}

本介质包含{what} {bundle}，以及安装它所用的程序 airpatch。
该程序不需要网络、Python 或任何软件包。

请在本文件所在的目录中依次输入以下三条命令：

1. 检查程序在传送中没有改变：

   echo "{sha256}  {tool}" | sha256sum -c

2. 把程序放到允许执行的位置：

   sudo install -m 755 {tool} /usr/local/bin/airpatch

3. 把该版本安装到镜像仓库的存储中。ROOT 是包含 docker/registry/v2 的目录，
   例如 /var/lib/registry；安装时镜像仓库可以保持运行：

   sudo airpatch apply {argument} --root ROOT{trust}

{need}命令失败时会说明原因和解决办法，并且不会改动任何内容。“airpatch doctor ROOT” 报告本机的情况；
“airpatch verify ROOT” 可在安装后检查每一个字节。
"""

_OTHERS = "sha256 of {name}:\n   {sha256}\n"


def instructions(bundle: str, index: Index, sums: Mapping[str, str], *, is_signed: bool) -> str:
    """Return the text for the bundle of that name; `sums` has the sha256 of each executable, by its name."""
    release = index.release
    tool = "airpatch-linux-x86_64" if "airpatch-linux-x86_64" in sums else next(iter(sums))
    bases = " / ".join(base.name for base in index.bases)
    values = {
        "title": release.product if release.product != "default" else "airpatch",
        "release": release.name,
        "bundle": bundle,
        "argument": shlex.quote(bundle),
        "tool": tool,
        "sha256": sums[tool],
        "trust": " --trust ALLOWED_SIGNERS" if is_signed else "",
    }
    english = _ENGLISH.format(
        **values,
        what="the patch" if bases else "the full bundle",
        need=f"The registry must already have {bases}.\n" if bases else "",
    )
    chinese = _CHINESE.format(
        **values,
        what="补丁" if bases else "完整的安装包",
        need=f"镜像仓库中必须已有 {bases}。\n" if bases else "",
    )
    others = "".join(_OTHERS.format(name=name, sha256=sums[name]) for name in sums if name != tool)
    return "\n".join(filter(None, (english, others, chinese)))
