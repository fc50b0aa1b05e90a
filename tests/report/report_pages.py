"""Pages of a report as tests look at them."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects tags, links, images and visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.images, self.ids, self.words = [], [], [], [], []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self._style = tag == "style"
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)

    def handle_endtag(self, tag):
        self._style = False

    def handle_data(self, data):
        if not self._style:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def pages(index):
    """All pages of a report by their path."""
    folder = index.parent
    return {
        path.relative_to(folder).as_posix(): Page(path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.html"))
    }


def words(index):
    """Visible text of all pages together."""
    return " ".join(page.text for page in pages(index).values())
