"""The version store in an object store, by URL: `s3://`, `gs://`, `az://`, `file://`, `memory://`.

An object is created only where there is none, which the store itself enforces, and it appears
whole or not at all; what comes out is checked as everywhere. Credentials are found by the cloud's
own rules (environment, profile, machine role), never in the URL's text.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mainstay.base.errors import InvalidUsage, StorageFailed
from mainstay.bundle.archive import SUFFIX, check_archive
from mainstay.bundle.extras import library
from mainstay.bundle.manifest import is_fingerprint
from mainstay.bundle.store import check_fingerprint, not_kept, place


def open_object_store(url: str, **settings: Any) -> "ObjectStore":
    """The store behind a URL; `settings` are the ones of obstore for its kind."""
    stores = library("obstore.store", "keeping versions in an object store")
    try:
        return ObjectStore(stores.from_url(url, **settings))
    except Exception as error:  # because obstore's errors share no exported base class
        raise InvalidUsage(
            f"this object store cannot be opened: {error}",
            field="store",
            got=url,
            expected="a URL such as s3://bucket/folder, gs://…, az://… or file:///folder",
        ) from error


class ObjectStore:
    """See `port.Store`."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._obstore = library("obstore", "keeping versions in an object store")
        self._errors = library("obstore.exceptions", "keeping versions in an object store")

    def put(self, fingerprint: str, file: Path) -> None:
        """Keep a bundle file."""
        check_archive(file, check_fingerprint(fingerprint))
        try:
            # One request, because only that can be conditional: a multipart upload would replace.
            self._obstore.put(
                self._store, fingerprint + SUFFIX, file, mode="create", use_multipart=False
            )
        except self._errors.AlreadyExistsError:
            return
        except Exception as error:  # because obstore's errors share no exported base class
            raise StorageFailed(f"the bundle cannot be kept: {error}") from error

    def fetch(self, fingerprint: str, into: Path) -> Path:
        """Bring a bundle file to a local folder, checked."""
        return place(self._chunks(check_fingerprint(fingerprint)), fingerprint, into)

    def _chunks(self, fingerprint: str) -> Iterator[bytes]:
        try:
            got = self._obstore.get(self._store, fingerprint + SUFFIX)
            for chunk in got.stream(min_chunk_size=1 << 20):
                yield bytes(chunk)
        except (self._errors.NotFoundError, FileNotFoundError):
            raise not_kept(fingerprint) from None
        except GeneratorExit:
            raise
        except Exception as error:  # because obstore's errors share no exported base class
            raise StorageFailed(f"the bundle cannot be fetched: {error}") from error

    def fingerprints(self) -> Sequence[str]:
        """Everything that is kept."""
        found: list[str] = []
        try:
            for page in self._obstore.list(self._store):
                found += [str(item["path"]).removesuffix(SUFFIX) for item in page]
        except Exception as error:  # because obstore's errors share no exported base class
            raise StorageFailed(f"the store cannot be listed: {error}") from error
        return sorted(name for name in found if is_fingerprint(name))
