"""The sections of the page of a study."""

from functools import partial
from pathlib import Path
from urllib.parse import quote

from aejax.report.page.blocks import Block, PageCell, PageTable, Section, as_page_table, picture_blocks, table_block
from aejax.report.results import Results
from aejax.report.study_figures import STUDY_PICTURES
from aejax.report.study_table import score_tables, study_tables

PAGE_FILE = "report.html"


def study_sections(results: Results, folder: Path | None) -> list[Section]:
    """Returns a section for each question, the ranks and correlations, the figures, and the scores of the data sets."""
    sections = [Section("Figures", picture_blocks(folder, STUDY_PICTURES))]
    sections += [Section(title, [table_block(title, table, note)]) for title, table, note in study_tables(results)]
    link = partial(_link_dataset, results, folder)
    tables = [link(as_page_table(title, table)) for title, table in score_tables(results)]
    sections.append(Section("Data sets", [Block("table", table) for table in tables]))
    return sections


def _link_dataset(results: Results, folder: Path | None, table: PageTable) -> PageTable:
    """Returns a table whose first cells link to the pages of the data sets, where there are such pages."""
    folders = {cell["dataset"]: cell["folder"] for cell in results["cells"] if cell["labels_per_class"] is None}

    def link(cell: PageCell) -> PageCell:
        page = Path(folders.get(cell.text, "")) / PAGE_FILE
        return cell._replace(link=quote(page.as_posix())) if folder and (folder / page).is_file() else cell

    return table._replace(rows=[[link(row[0]), *row[1:]] for row in table.rows])
