"""Files that are whole or absent, one process at a time on a folder, and sockets in one."""

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
from participant.disk.sockets import (
    check_folder,
    check_path,
    check_peer,
    connect,
    is_of_app,
    listen,
)
from participant.disk.storage import Output, Storage
