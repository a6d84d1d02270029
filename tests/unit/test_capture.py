"""Captures for the README ask nobody for anything."""

import io
import re
from xml.etree import ElementTree as ET

from rich.console import Console

from producer.watch.output import UNICODE
from producer.watch.render import render
from producer.watch.snapshot import Snapshot
from sample.capture import self_contained_svg
from tests.support.stage_snapshots import stage_snapshot


def test_the_picture_names_no_host_but_the_one_that_is_svgs_name() -> None:
    console = Console(file=io.StringIO(), record=True, width=80, force_terminal=True, color_system="truecolor")
    console.print(render(Snapshot((stage_snapshot("##>.X-", title="<b>&"),)), 80, 20, UNICODE))
    picture = self_contained_svg(console, "producer watch")
    assert set(re.findall(r"\w+://[^\"') ]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert "@font-face" not in picture
    assert "@import" not in picture
    words = "".join(ET.fromstring(picture).itertext())  # noqa: S314  # our own
    assert "■■▸·✗-" in words
    assert "<b>&" in words.replace("\xa0", " ")
