//! Tables for people: columns, alignment, the terminal's width. The only user of comfy-table.

use super::Page;
use comfy_table::CellAlignment;
use comfy_table::ContentArrangement;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table without lines, two spaces between columns, that never is wider than the page unless the
/// page has no width.
#[must_use]
pub fn table(columns: &[(&str, Align)], rows: &[Vec<String>], page: &Page) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    match page.width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width.max(40));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(columns.iter().map(|(name, _)| *name));
    for row in rows {
        table.add_row(row);
    }
    for (at, (column, (_, align))) in table.column_iter_mut().zip(columns).enumerate() {
        // Nothing stands to the right of the last one.
        column.set_padding((0, if at + 1 == columns.len() { 0 } else { 2 }));
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
