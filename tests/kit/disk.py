"""A small disk that a test fills: a tmpfs, for which it has to be root."""

import os
import subprocess
from pathlib import Path

import pytest


class Disk:
    """`with Disk(folder) as disk:` mounts it on the new `folder`; skips the test where that isn't allowed."""

    def __init__(self, folder: Path, size: str = "128m"):
        self.folder, self.size = folder, size
        self.ballast = folder / ".ballast"

    def __enter__(self) -> "Disk":
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", str(self.folder)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a small disk is a mounted tmpfs, and mounting one takes root")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self, left: int = 0) -> None:
        """From now on there is room for `left` bytes more, in whole pages."""
        self.ballast.unlink(missing_ok=True)
        free = os.statvfs(self.folder)
        self.ballast.write_bytes(bytes(max(free.f_bavail * free.f_frsize - left, 0)))

    def fill_up_files(self, left: int = 0) -> None:
        """From now on there is room for so many files, folders and links more."""
        status = os.statvfs(self.folder)
        self._remount(status.f_files - status.f_favail + left)

    def empty(self) -> None:
        """There is room again."""
        self.ballast.unlink(missing_ok=True)
        self._remount(100_000)

    def _remount(self, inodes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,nr_inodes={inodes}", str(self.folder)], check=True)
