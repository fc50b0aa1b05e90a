"""Look at the pages of a report in headless Chromium: `python tests/report/browser.py FOLDER`.

All pages are opened in frames of one width; what goes wrong there comes back as lines of text.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PHONE, DESK = 360, 1200
NAMES = ("chromium", "chromium-browser", "google-chrome")

_HARNESS = """<!DOCTYPE html><meta charset="utf-8"><title>pages</title>
<style>iframe {{ width: {width}px; height: 900px; border: 0; display: block }}</style>
{frames}
<pre id="found"></pre>
<script>
window.addEventListener("load", () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument, root = page.documentElement, problems = [];
    for (const part of page.querySelectorAll("details")) part.open = true;
    if (root.clientWidth !== {width}) problems.push("frame is " + root.clientWidth + " px wide");
    if (root.scrollWidth > root.clientWidth) {{
      const wide = [...page.querySelectorAll("main *, header *, nav *, footer *")].find(
        (e) => e.getBoundingClientRect().right > {width} + 1 && !e.closest(".scroll, pre"));
      problems.push("overflow: " + root.scrollWidth + " px" +
        (wide ? " by " + wide.tagName + " " + wide.textContent.slice(0, 60) : ""));
    }}
    for (const image of page.images) {{
      if (!image.complete || !image.naturalWidth) {{
        problems.push("no picture: " + image.alt);
        continue;
      }}
      const box = image.getBoundingClientRect();
      if (box.width < 80 || box.height < 40) problems.push("tiny picture: " + image.alt);
      const small = page.createElement("canvas");
      small.width = small.height = 32;
      const pen = small.getContext("2d");
      pen.drawImage(image, 0, 0, 32, 32);
      const data = pen.getImageData(0, 0, 32, 32).data;
      if (!data.some((value, at) => value !== data[at % 4])) problems.push("blank: " + image.alt);
    }}
    for (const link of page.querySelectorAll("a[href^='#']"))
      if (!page.getElementById(link.getAttribute("href").slice(1)))
        problems.push("no target: " + link.textContent);
    for (const block of page.querySelectorAll("h1, h2, h3, h4, p, li, td, figcaption"))
      if (/\\b(NaN|nan|None|undefined)\\b/.test(block.textContent) && !block.closest("pre"))
        problems.push("leftover: " + block.textContent.slice(0, 80));
    found[frame.title] = problems;
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>
"""


def chromium() -> str | None:
    """Path of the browser, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def problems(folder: Path, width: int) -> list[str]:
    """What is wrong with the pages of a report at one width; empty when all is well.

    Parameters
    ----------
    folder : pathlib.Path
    width : int
        Pixels.

    Returns
    -------
    list of str
    """
    # the viewers in views/ are pages of nilearn, with sprites and WebGL of their own
    pages = sorted(page for page in folder.rglob("*.html") if page.parent.name != "views")
    frames = "\n".join(
        f'<iframe title="{page.relative_to(folder).as_posix()}" '
        f'srcdoc="{html.escape(page.read_text("utf-8"), quote=True)}"></iframe>'
        for page in pages
    )
    with tempfile.TemporaryDirectory() as place:
        harness = Path(place) / "harness.html"
        harness.write_text(_HARNESS.format(width=width, frames=frames), "utf-8")
        done = _run(place, "--dump-dom", "--virtual-time-budget=60000", harness.as_uri())
    answer = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    if not answer or not answer[1]:
        raise RuntimeError(f"the browser gave no answer: {done.stderr[-500:]}")
    found = json.loads(html.unescape(answer[1]))
    out = [f"{page}: {words}" for page, lines in found.items() for words in lines]
    if set(found) != {page.relative_to(folder).as_posix() for page in pages}:
        out.append(f"pages without an answer: {len(pages) - len(found)}")
    return out + console(done.stderr)


def console(log: str) -> list[str]:
    """Lines of the browser's log that come from a page's console."""
    return [f"console: {line}" for line in log.splitlines() if ":CONSOLE" in line]


def _run(profile, *arguments):
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--enable-logging=stderr", "--hide-scrollbars"]
    # No network: every name resolves to nothing.
    command += ["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={profile}/profile", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


if __name__ == "__main__":
    if chromium() is None:
        sys.exit("no Chromium here: apt-get install chromium")
    report = Path(sys.argv[1])
    wrong = [f"{width} px: {line}" for width in (PHONE, DESK) for line in problems(report, width)]
    print("\n".join(wrong) or f"{len(list(report.rglob('*.html')))} pages, nothing wrong")
    sys.exit(bool(wrong))
