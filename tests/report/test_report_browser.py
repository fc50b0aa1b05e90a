"""The report as a browser shows it, on a desk and on a phone; needs Chromium."""

import shutil
import subprocess

import pytest
from browser import DESK, PHONE, chromium, console, problems

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium on this machine (Debian package chromium)"
)

PAGE = '<!DOCTYPE html><meta charset="utf-8"><meta name="viewport" content="width=device-width">{}'


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_page_has_an_error_an_empty_figure_or_an_overflow(built_report, width):
    assert problems(built_report.parent, width) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<main><p style="width:500px">long</p></main>', "overflow: 5"),
        ('<main><img alt="lost" src="data:image/png;base64,aaaa"></main>', "no picture: lost"),
        (
            '<main><img alt="white" width="300" height="200" src="data:image/svg+xml,'
            "%3Csvg xmlns='http://www.w3.org/2000/svg' width='300' height='200'/%3E\"></main>",
            "blank: white",
        ),
        ('<main><a href="#nowhere">there</a></main>', "no target: there"),
        ("<main><table><tr><td>nan</td></tr></table></main>", "leftover: nan"),
        ("<main></main><script>console.error('planted')</script>", "planted"),
        ("<main></main><script>missing()</script>", "missing is not defined"),
        ('<main></main><img alt="far" src="https://example.org/x.png">', "no picture: far"),
    ],
)
def test_the_check_sees_a_planted_mistake(tmp_path, body, told):
    (tmp_path / "good.html").write_text(PAGE.format("<main><p>good</p></main>"))
    assert problems(tmp_path, PHONE) == []
    (tmp_path / "bad.html").write_text(PAGE.format(body))
    found = problems(tmp_path, PHONE)
    assert any(told in line for line in found), found
    assert not any(line.startswith("good.html") for line in found)


def test_pages_print_without_the_menu_and_with_folded_parts(built_report, tmp_path):
    """The PDF of a page with a folded table is longer than that of the same page without it."""
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this machine (Debian package poppler-utils)")
    out = tmp_path / "page.pdf"
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    command += [f"--user-data-dir={tmp_path}/profile", f"--print-to-pdf={out}"]
    page = (built_report.parent / "fmri.html").as_uri()
    subprocess.run([*command, page], check=True, capture_output=True, timeout=120)
    text = subprocess.run(
        ["pdftotext", "-layout", out, "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "Quality measures run by run" in text
    assert "About this run" not in text and "ABOUT THIS RUN" not in text


def test_lines_of_the_console_are_found_in_the_log():
    log = '[1:2:ERROR:dbus] no bus\n[1:2:INFO:CONSOLE:3] "oops", source: a.html (3)\n'
    assert console(log) == ['console: [1:2:INFO:CONSOLE:3] "oops", source: a.html (3)']
