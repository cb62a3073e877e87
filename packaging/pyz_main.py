"""Where airpatch.pyz begins: unpacks what fits this Python into a folder whose files may be executed, and runs it.

Libraries cannot be loaded out of an archive. The folder is the first that will do of $TMPDIR, /tmp, /var/tmp, /dev/shm
and the archive's own; it is removed at the end. This file also runs on versions of Python that airpatch does not.
"""

import mmap
import os
import platform
import shutil
import sys
import tempfile
import zipfile

HOST_ERROR = 8
NEWEST = 14


def fail(text):
    """End with one line; nothing has been done."""
    sys.stderr.write("airpatch: " + text + "\n")
    sys.exit(HOST_ERROR)


def permits_execution(folder):
    """Whether files in `folder` can be made, and mapped for execution."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True


def require_host(archive):
    """End unless there are packages for this host in the archive."""
    needs = "this file needs Python 3.11 to 3." + str(NEWEST) + " on x86-64 Linux with glibc 2.28 or newer"
    if sys.version_info < (3, 11):
        fail(
            needs + ", and this is Python " + platform.python_version() + "; take the executable airpatch-linux-x86_64"
        )
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        fail(needs + ", and this host is another; install airpatch with pip")
    name = "cp3" + str(sys.version_info[1])
    if not any(each.startswith(name + "/") for each in archive.namelist()):
        fail(
            needs + ", and this is Python " + platform.python_version() + "; take the executable airpatch-linux-x86_64"
        )
    return name


def main():
    """Unpack, run, remove."""
    own = os.path.abspath(sys.argv[0])
    with zipfile.ZipFile(own) as archive:
        version = require_host(archive)
        places = [os.environ.get("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", os.path.dirname(own)]
        place = next((each for each in places if each and os.path.isabs(each) and permits_execution(each)), None)
        if place is None:
            fail("none of $TMPDIR, /tmp, /var/tmp, /dev/shm and its own folder can be written and permits execution")
        folder = tempfile.mkdtemp(prefix="airpatch-", dir=place)
        try:
            wanted = [name for name in archive.namelist() if name.startswith(("any/", version + "/"))]
            archive.extractall(folder, wanted)
            sys.path[:0] = [os.path.join(folder, "any"), os.path.join(folder, version)]
            sys.dont_write_bytecode = True
            from airpatch_cli.main import main as run

            return run()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
