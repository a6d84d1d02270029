import json
from pathlib import Path

from chaos.history import Attempt, busy_pids, read_attempts


def write_journal(folder: Path, *events: tuple[str, int, int, float]) -> None:
    for event, page, pid, at in events:
        line = {"event": event, "scan_id": "book", "page": page, "pid": pid, "time": at}
        with (folder / f"{pid}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def test_a_begin_is_joined_with_its_end(tmp_path: Path) -> None:
    write_journal(
        tmp_path,
        ("begin", 1, 7, 10.0),
        ("begin", 2, 7, 10.1),
        ("end", 2, 7, 10.4),
        ("end", 1, 7, 10.5),
        ("begin", 1, 8, 9.0),
    )
    assert read_attempts(tmp_path) == [
        Attempt(("book", 1), 8, 9.0),
        Attempt(("book", 1), 7, 10.0, 10.5),
        Attempt(("book", 2), 7, 10.1, 10.4),
    ]


def test_two_attempts_of_one_process_at_one_page_are_two(tmp_path: Path) -> None:
    write_journal(tmp_path, ("begin", 1, 7, 10.0), ("begin", 1, 7, 20.0), ("end", 1, 7, 21.0))
    assert read_attempts(tmp_path) == [Attempt(("book", 1), 7, 10.0), Attempt(("book", 1), 7, 20.0, 21.0)]


def test_who_has_begun_and_not_ended_is_busy(tmp_path: Path) -> None:
    write_journal(tmp_path, ("begin", 1, 7, 10.0), ("end", 1, 7, 10.5), ("begin", 1, 8, 11.0))
    write_journal(tmp_path, *(("begin", page, 9, float(page)) for page in range(20)))
    write_journal(tmp_path, *(("end", page, 9, float(page + 50)) for page in range(20)))
    assert busy_pids(tmp_path, [7, 8, 9, 10]) == {8}
