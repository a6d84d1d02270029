"""`producer watch` on a real terminal, beside a real worker."""

from tests.support.deployment import WORKLOAD_PRODUCER, Deployment
from tests.support.fake_deployment import write_scan
from tests.support.terminal import Terminal, on_a_terminal
from tests.support.waiting import exit_code_of

SCAN = "a-book"
PAGES = 30
SECONDS = 60


def _in_flight_and_who(terminal: Terminal) -> bool:
    frame = "\n".join(terminal.frame)
    return " in flight: " in frame and f"{SCAN}/work: page " in frame and "▸" in frame


def test_the_view_shows_who_works_on_what_survives_a_resize_and_ends_with_ctrl_c(workload: Deployment) -> None:
    write_scan(workload.root, SCAN, PAGES)
    workload.start_worker(1, WORK_SECONDS="3", WORK_TROUBLE='{"1": "invalid"}', LEAFMARK_MAX_ATTEMPTS="1")
    workload.producer("enqueue", SCAN, "--stage", "work")

    with on_a_terminal([*WORKLOAD_PRODUCER, "watch"], workload.environment) as terminal:
        terminal.wait_for(_in_flight_and_who, SECONDS, "a page in flight and who has it")
        terminal.wait_for(
            lambda shown: "1 quarantined, most recently page 1: " in "\n".join(shown.frame),
            SECONDS,
            "the quarantined page",
        )
        assert f"/{PAGES} pages" in "\n".join(terminal.frame)
        assert "\x1b[?1049h" in terminal.written

        terminal.resize(60, 15)
        terminal.wait_for(
            lambda shown: shown.frame and len(shown.frame) <= 15 and max(map(len, shown.frame)) <= 60,
            SECONDS,
            "a frame that fits",
        )
        assert "in flight" in "\n".join(terminal.frame)

        terminal.press("\x03")
        assert exit_code_of(terminal.process) == 130
        terminal.wait_for(lambda shown: "\x1b[?1049l" in shown.written, SECONDS, "the screen to be put back")
        after = terminal.written.rpartition("\x1b[?1049l")[2]
        assert after.split("\r\n")[0].endswith(
            "Stopped watching; the workers keep running. To watch again: producer watch"
        )
        assert "Traceback" not in after
    assert workload.checkpoint(SCAN)["status"] == "in_progress"
