"""What is pruned while the store does not answer is deleted later."""

from contextlib import closing
from pathlib import Path

import pytest

from aggregator.errors import StoreAway
from aggregator.objects import open_bucket
from aggregator.store import BlobStore, BoardStore, RoundVector
from aggregator.store.unnamed_blobs import CLEAN_UP_SECONDS
from protocol.board import Head
from tests.stage.objects.server import ObjectServer


def test_what_the_store_does_not_delete_is_deleted_once_it_answers(
    tmp_path: Path, objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms, address = [0], objects.new_bucket()
    with closing(BoardStore(tmp_path)) as store, closing(open_bucket(address)) as bucket:
        blobs = BlobStore(tmp_path, store, pace_ms=lambda: now_ms[0], whole=bucket)
        names = [blobs.put(bytes([k])) for k in range(6)]
        store.append(Head(1, bytes(32)), b"entry", (), RoundVector("s", 1, tuple(names)))
        for name in names:
            blobs.name(name)
        blobs.mark_pruned("s", 2)

        def fail(*given: object) -> None:
            raise StoreAway(tmp_path, "it is silent")

        with monkeypatch.context() as patch:
            patch.setattr(bucket, "_ask", fail)
            with pytest.raises(StoreAway):
                blobs.prune(2)
            patch.setattr(bucket, "_away", "it is silent")
            assert not blobs.prune(2)
        assert sum(blobs.size(name) is not None for name in names) == 4
        assert len(objects.objects(address)) == 6
        while blobs.prune(2):
            pass
        assert len(objects.objects(address)) == 2
        now_ms[0] += 1_000 * CLEAN_UP_SECONDS
        blobs.clean_up()
        assert objects.objects(address) == {}
