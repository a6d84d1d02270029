"""Change the profile of a book by options of `producer enqueue`, before its pages are planned."""

from collections.abc import Sequence
from functools import partial

from producer.ingest.profile_change import change_profile, preview_change
from producer.ingest.profile_options import options_without_effect
from producer.planning.able_workers import prepare_reading
from producer.planning.enqueue import plan
from producer.planning.preconditions import check_preconditions
from producer.planning.request import Request
from producer.terminal.console import notes
from worker.deployment import Deployment
from worker.pages.book_profile import BookProfile
from worker.storage.book_store import BookStore


def change_before_enqueue(
    deployment: Deployment, requests: Sequence[Request], wanted: BookProfile, *, dry_run: bool
) -> BookStore:
    """Set fields of the profile of the book of some requests, and print what that does not do.

    Args:
        deployment: with the books.
        requests: for one book; that they can be enqueued with the new profile is checked first.
        wanted: the fields to set.
        dry_run: whether to change nothing.

    Returns:
        The books, of which the one has the new profile.

    Raises:
        LeafmarkError: a precondition is not met, or the storage failed.
    """
    scan_id, only = requests[0].scan_id, requests[0].only
    store = deployment.store
    # Takes in a folder that another program made.
    before = store.metadata(scan_id)
    after = preview_change(store.scan(scan_id), wanted)
    changed_store = store.with_metadata(after)
    if not dry_run:
        check_preconditions(changed_store, deployment.queues, requests)
        for request in requests:
            prepare_reading(deployment, after, request.stage, partial(_is_any_left, changed_store, request))
        after = change_profile(store.scan(scan_id), wanted)
        changed_store = store.with_metadata(after)
    if after.profile != before.profile:
        notes.print(f"The profile of {scan_id} {'would be' if dry_run else 'is now'}: {after.profile.words()}.")
        if only:
            notes.print(
                f"It holds for the whole book; `producer profile {scan_id} --pages PAGES --set NAME=VALUE` changes "
                "how some pages are read."
            )
    if line := options_without_effect(after, deployment.settings, wanted):
        notes.print(line)
    return changed_store


def _is_any_left(store: BookStore, request: Request) -> bool:
    return bool(plan(store, request).remaining)
