"""Where airpatch.pyz begins: unpacks what fits this Python into a folder whose files may be executed, and runs it.

Libraries cannot be loaded out of an archive. The folder is the first that will do of $TMPDIR, /tmp, /var/tmp, /dev/shm
and the archive's own; it is removed at the end. Older versions of Python read this file, too, and learn what it needs.
"""

import mmap
import os
import platform
import shutil
import sys
import tempfile
import zipfile

HOST_ERROR = 8
NEEDS = "this file needs Python 3.11 to 3.14 on x86-64 Linux with glibc 2.28 or newer"
FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def fail(text):
    # type: (str) -> None
    """End with one line; nothing has been done."""
    sys.stderr.write("airpatch: " + text + "\n")
    sys.exit(HOST_ERROR)


def permits_execution(folder):
    # type: (str) -> bool
    """Whether files in `folder` can be made, and mapped for execution."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True


def packages_for_this_host(archive):
    # type: (zipfile.ZipFile) -> str
    """The folder of the archive for this version of Python. Ends where there is none."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        fail(NEEDS + ", and this host is another; install airpatch with pip")
    name = "cp3" + str(sys.version_info[1])
    if not any(each.startswith(name + "/") for each in archive.namelist()):
        executable = "the executable airpatch-linux-x86_64 needs none"
        fail(NEEDS + ", and this is Python " + platform.python_version() + "; " + executable)
    return name


def main():
    # type: () -> int
    """Unpack, run, remove."""
    own = os.path.abspath(sys.argv[0])
    with zipfile.ZipFile(own) as archive:
        version = packages_for_this_host(archive)
        places = [os.environ.get("TMPDIR", ""), *FOLDERS, os.path.dirname(own)]
        place = next((each for each in places if os.path.isabs(each) and permits_execution(each)), None)
        if place is None:
            fail("none of $TMPDIR, /tmp, /var/tmp, /dev/shm and its own folder can be written and permits execution")
        folder = tempfile.mkdtemp(prefix="airpatch-", dir=place)
        try:
            archive.extractall(
                folder, [each for each in archive.namelist() if each.startswith(("any/", version + "/"))]
            )
            sys.path[:0] = [os.path.join(folder, "any"), os.path.join(folder, version)]
            sys.dont_write_bytecode = True
            from airpatch_cli.main import main as run

            return run()
        except KeyboardInterrupt:
            return 128 + 2  # SIGINT, as shells report it
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
