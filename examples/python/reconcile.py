"""Makes the directories below a root match the storage proxy's list, and reports each order to Waldur.

Follows docs/integrators.md, "What to do". Run one at a time: a second one waits for the first to end.
"""

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
from cscs_storage_proxy_client import AuthenticatedClient
from cscs_storage_proxy_client.api.storage import list_storage_resources
from cscs_storage_proxy_client.models import (
    CustomerTarget,
    QuotaType,
    StorageEntry,
    StorageResources,
    TenantTarget,
    UserTarget,
)
from cscs_storage_proxy_client.types import UNSET

# Lists in one run: an order takes two reports, and with the third list nothing is left to report.
MOST_ROUNDS = 5
# For each request, and each run of the quota command.
SECONDS = 60
# Entries, the most that the proxy allows.
PAGE_SIZE = 500
# In the first directory of each path, which is on its file system; no mount point has a component that begins with a dot.
TRASH = "/.trash/"


class Conflict(Exception):
    """Something that a person has to look at. Nothing was changed."""


def read_list(client: AuthenticatedClient) -> tuple[list[StorageEntry], int]:
    """The whole list, read after this call, and its age in seconds, rounded up. Raises unless it is whole."""
    entries: list[StorageEntry] = []
    query = {"page_size": PAGE_SIZE, "cache_control": "no-cache"}
    while query:
        response = list_storage_resources.sync_detailed(client=client, **query)
        if not isinstance(response.parsed, StorageResources):
            raise Conflict(f"the list cannot be read: {response.status_code} {response.parsed}")
        entries += response.parsed.resources
        # All pages after the first name one snapshot.
        following = re.search(r'<\?([^>]*)>; rel="next"', response.headers.get("Link", ""))
        query = dict(parse_qsl(following[1])) if following else {}
    if len(entries) != int(response.headers["X-Total-Count"]):
        raise Conflict(f"the list is not whole: {len(entries)} of {response.headers['X-Total-Count']} entries")
    return entries, int(response.headers["Age"]) + 1


class Disk:
    """Directories below a root, each known by the itemId that it was made for. No link is followed."""

    def __init__(self, root: Path, state: Path, quota_command: str) -> None:
        self.root, self.state, self.quota_command = root, state, quota_command
        known = json.loads(state.read_text()) if state.exists() else {}
        # Where the directory of an itemId may be: written before it is moved, so that a crash loses none.
        self.places: dict[str, list[str]] = known.get("places", {})
        # When the last report was sent, in seconds since 1970.
        self.reported: float = known.get("reported", 0)

    @contextmanager
    def opened(self, path: str, create: bool = False):
        directory = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in filter(None, path.split("/")):
                if create:
                    try:
                        os.mkdir(name, 0o755, dir_fd=directory)
                    except FileExistsError:
                        pass
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                os.close(directory)
                directory = inner
            yield directory
        finally:
            os.close(directory)

    def exists(self, path: str) -> bool:
        try:
            with self.opened(path):
                return True
        except FileNotFoundError:
            return False

    def place_of(self, item_id: str) -> str | None:
        return next(filter(self.exists, self.places.get(item_id, [])), None)

    def remember(self, item_id: str, *places: str) -> None:
        self.places[item_id] = list(places)
        self.save()

    def save(self) -> None:
        new = self.state.with_suffix(".new")
        with new.open("w") as file:
            json.dump({"places": self.places, "reported": self.reported}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.state)

    def move(self, item_id: str, source: str, target: str) -> None:
        self.remember(item_id, source, target)
        with self.opened(os.path.dirname(source)) as a, self.opened(os.path.dirname(target), create=True) as b:
            os.rename(os.path.basename(source), os.path.basename(target), src_dir_fd=a, dst_dir_fd=b)
        self.remember(item_id, target)
        print(f"{source} -> {target}")

    def configure(self, path: str, mode: int, gid: int, quotas: list) -> None:
        with self.opened(path) as directory:
            # Only root may give a directory to any group. chown clears setgid, so the mode comes after it.
            if os.geteuid() == 0:
                os.fchown(directory, -1, gid)
            os.fchmod(directory, mode)
            status = os.fstat(directory)
            if status.st_mode & 0o7777 != mode or (os.geteuid() == 0 and status.st_gid != gid):
                raise Conflict(f"{path}: owner or mode is not as it was set")
        if quotas:
            # Space in bytes, 1 TB = 10^12, and counts of inodes; soft, then hard.
            numbers = [int(q.quota * 10**12) if q.type_ == QuotaType.SPACE else int(q.quota) for q in quotas]
            if min(numbers) <= 0:
                raise Conflict(f"{path}: a quota of 0 would be no limit at all")
            subprocess.run([self.quota_command, str(self.root / path[1:]), *map(str, numbers)], check=True, timeout=SECONDS)

    def keep(self, entry: StorageEntry, quotas: list | None) -> None:
        """Makes the directory of a project or user as listed, wherever it is now."""
        item_id, path = str(entry.item_id), entry.mount_point.default
        item = entry.target.target_item
        gid = (item.primary_project if isinstance(entry.target, UserTarget) else item).unix_gid
        # Without quotas, those that are set stay.
        settings = (int(entry.permission.value, 8), gid, quotas or [])
        place = self.place_of(item_id)
        if place != path and self.exists(path):
            raise Conflict(f"{path} is not the directory of {item_id}")
        if place is None:
            place = f"{os.path.dirname(path)}/.{item_id}"
            self.remember(item_id, place)
            with self.opened(place, create=True):
                pass
        self.configure(place, *settings)
        if place != path:
            self.move(item_id, place, path)

    def trash(self, item_id: str, path: str) -> None:
        place = self.place_of(item_id)
        if place is None and self.exists(path):
            raise Conflict(f"{path} is not the directory of {item_id}")
        if place is None or TRASH in place:
            return
        trash = f"/{place.split('/')[1]}{TRASH}{item_id}"
        if self.exists(trash):
            raise Conflict(f"{trash} exists, and so does {place}")
        self.move(item_id, place, trash)


def act(entry: StorageEntry, disk: Disk, report) -> None:
    """The first row of the table that fits."""
    status, item_id = entry.status.value, str(entry.item_id)
    approve, executing = entry.approve_by_provider_url, entry.set_state_erred_url
    if isinstance(entry.target, (TenantTarget, CustomerTarget)):
        if not disk.exists(entry.mount_point.default):
            with disk.opened(entry.mount_point.default, create=True) as directory:
                os.fchmod(directory, int(entry.permission.value, 8))
            print(f"+ {entry.mount_point.default}")
    elif status == "active":
        disk.keep(entry, entry.quotas)
        if approve:
            report(approve)
    elif status == "removed":
        if (place := disk.place_of(item_id)) and TRASH not in place:
            raise Conflict(f"{place} is still there, but its entry is removed")
    elif approve:
        report(approve)
    elif not executing:
        # Also a removal: without a URL to report to, nothing is touched.
        return
    elif status == "pending":
        disk.keep(entry, entry.quotas)
        report(entry.set_state_done_url)
    elif status == "updating":
        # Absent is not null.
        disk.keep(entry, entry.quotas if entry.new_quotas is UNSET else entry.new_quotas)
        report(entry.set_state_done_url)
    elif status == "removing":
        disk.trash(item_id, entry.mount_point.default)
        report(entry.set_state_done_url)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the directory in which all mount points are")
    parser.add_argument("--state", type=Path, required=True, help="a file that remembers each directory's itemId")
    parser.add_argument("--quota-command", required=True, help="run with a directory and four numbers")
    options = parser.parse_args()
    lock = options.state.with_suffix(".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    missing = {"PROXY_URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "WALDUR_TOKEN"} - os.environ.keys()
    if missing:
        parser.error(f"missing in the environment: {', '.join(sorted(missing))}")
    grant = {name: os.environ[name.upper()] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    token = httpx.post(os.environ["TOKEN_URL"], data=grant, timeout=SECONDS).raise_for_status().json()["access_token"]
    proxy = AuthenticatedClient(os.environ["PROXY_URL"], token=token, timeout=httpx.Timeout(SECONDS))
    waldur = httpx.Client(headers={"Authorization": f"Token {os.environ['WALDUR_TOKEN']}"}, timeout=SECONDS)
    disk = Disk(options.root, options.state, options.quota_command)

    def report(url: str) -> None:
        disk.reported = time.time()
        disk.save()
        status = waldur.post(url).status_code
        print(f"{status} {url}")
        # 409: it was done before, or withdrawn. After any other response, the next list shows what became of it.
        if status not in (200, 409):
            raise Conflict(f"Waldur returned {status} to {url}")

    problems: list[str] = []
    for _ in range(MOST_ROUNDS):
        entries, age = read_list(proxy)
        if time.time() - age < disk.reported:
            problems.append("the list may be older than the last report: nothing was done")
            break
        before, problems = disk.reported, []
        for entry in entries:
            try:
                act(entry, disk, report)
            except (Conflict, OSError, httpx.HTTPError, subprocess.SubprocessError) as problem:
                problems.append(f"{entry.item_id}: {problem}")
        if disk.reported == before:
            break
        # The age has whole seconds.
        time.sleep(1)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
