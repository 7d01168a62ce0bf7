"""`aejax docs` lists the pages of the manual and prints one as its file has it."""

import pytest

from aejax.cli.commands import docs
from aejax.errors import InputError

PAGES = sorted(path.stem for path in docs.FOLDER.glob("*.md"))


def test_every_page_is_listed_with_its_title(capsys):
    docs.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == PAGES
    assert all(len(line.split()) > 1 and "#" not in line for line in lines)


def test_a_page_is_printed_as_its_file_has_it(capsys):
    docs.main([PAGES[0]])
    assert capsys.readouterr().out == (docs.FOLDER / f"{PAGES[0]}.md").read_text(encoding="utf-8")


def test_an_unknown_page_ends_with_the_nearest_name():
    with pytest.raises(InputError, match=f"no such page; did you mean {PAGES[0]}"):
        docs.main([PAGES[0] + "x"])
