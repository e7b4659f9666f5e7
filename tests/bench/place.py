"""Where a contender writes: a local folder, or a bucket of the stand-in with a copy for the reader."""

from pathlib import Path

from jobs.store import S3
from tests.kit.oracle import unread
from tests.kit.s3 import S3Server


class Place:
    """Tables by name, below `folder` or, with a server, below a prefix of its bucket that is named like the folder."""

    def __init__(self, folder: Path, s3: S3Server | None = None):
        self.folder, self.s3 = folder, s3
        self.environment = s3.environment if s3 else {}
        self.root = f"s3://{s3.bucket}/{folder.name}" if s3 else str(folder)
        folder.mkdir(parents=True, exist_ok=True)

    def table(self, name: str) -> str:
        return f"{self.root}/{name}"

    def fetched(self, name: str) -> Path:
        """A local folder that holds the table, and its quarantine beside it."""
        if self.s3:
            store = S3(self.s3.client())
            for root in (name, f"{name}_quarantine"):
                for entry in store.files(self.table(root)):
                    if not unread(entry.name):
                        copy = self.folder / root / entry.name
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        copy.write_bytes(store.read(f"{self.table(root)}/{entry.name}"))
        return self.folder / name

    def files(self, name: str) -> list[Path]:
        """The table's files that readers look at."""
        table = self.folder / name
        return [file for file in table.rglob("*.parquet") if not unread(str(file.relative_to(table)))]

    def objects(self, name: str) -> int:
        """How many there are of the table, its state and all that lies beside it, as the sink's checkpoint does."""
        if self.s3:
            pages = self.s3.client().get_paginator("list_objects_v2")
            prefix = f"{self.folder.name}/{name}"
            return sum(page["KeyCount"] for page in pages.paginate(Bucket=self.s3.bucket, Prefix=prefix))
        found = (file for root in self.folder.glob(f"{name}*") if root.is_dir() for file in root.rglob("*"))
        return sum(file.is_file() and not file.name.endswith(".crc") for file in found)
