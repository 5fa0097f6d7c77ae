"""Files that are whole or absent, and one process at a time on a folder."""

from participant.disk.files import (
    FolderStorage,
    check_new,
    check_replaceable,
    delete,
    disk_errors,
    entries,
    exists,
    make_folder,
    move,
    only_read_if_refused,
    read,
    remove_folder,
    replace,
    sweep,
    write_new,
)
from participant.disk.lock import hold, holder, look
from participant.disk.storage import Output, Storage
