"""What if somebody removes `started`, the record of a launch, while the script runs?

The daemon has read it and writes it again: without it, the next daemon would launch the script a second time. Nobody
holds the lock of the new file, so it says that it was `restored`, and then the supervisor's process tells.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pinakad import supervisor
from pinakad.files import make_folder
from pinakad.locks import is_locked
from pinakad.processes import is_alive, processes


def restore(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write `started` again, and return it. Where that fails it is tried with the next look, and meanwhile counts."""
    again = {**record, "restored": True}
    with suppress(OSError):
        if not folder.is_dir():
            make_folder(folder)
        os.close(supervisor.claim(str(folder), json.dumps(again)))
    return again


def is_held(folder: Path, record: Mapping[str, Any]) -> bool:
    """Tell whether the supervisor that left this record lives."""
    if is_locked(folder / supervisor.STARTED):
        return True
    if not record.get("restored") or record["boot_id"] != supervisor.boot_id():
        return False
    pid = record["supervisor_pid"]
    return is_alive(pid, record["supervisor_start_ticks"]) and any(item.pid == pid for item in processes())
