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
        out.push_str(&colored(line.trim_end()));
        out.push('\n');
    }
    out
}

/// Begins a coloured cell; has no width, so that the layout does not see it.
const BEGIN: char = '\u{2060}';
/// Ends it.
const END: char = '\u{2061}';
/// The first of sixteen characters without width: the colour is the distance from it.
const PALETTE: u32 = 0xfe00;

/// A cell in a colour: 1 red, 2 green, 3 yellow, 6 cyan. [`table`] turns it into escape codes once
/// the layout is made: those would count as width and be broken.
#[must_use]
pub fn cell(text: &str, sgr: &str, color: bool) -> String {
    let digit = sgr
        .strip_prefix('3')
        .and_then(|digit| digit.parse::<u32>().ok());
    let code = digit.and_then(|digit| char::from_u32(PALETTE + digit.min(15)));
    match code.filter(|_| color) {
        Some(code) => format!("{BEGIN}{code}{text}{END}"),
        None => text.to_owned(),
    }
}

/// The line with escape codes; without any where a cell was broken, so that no colour runs on.
fn colored(line: &str) -> String {
    let whole = line.matches(BEGIN).count() == line.matches(END).count();
    let mut out = String::new();
    let mut begun = false;
    for c in line.chars() {
        let digit = u32::from(c).wrapping_sub(PALETTE);
        match c {
            BEGIN => begun = true,
            END if whole => out.push_str("\x1b[0m"),
            END => {}
            _ if begun && digit < 16 => {
                begun = false;
                if whole {
                    out.push_str(&format!("\x1b[3{digit}m"));
                }
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_takes_no_room_in_a_table() {
        let rows = |color| {
            vec![vec![
                "127.0.0.1:11123".to_owned(),
                cell("falseticker", "31", color),
            ]]
        };
        let columns = [("Server", Align::Left), ("Verdict", Align::Left)];
        let page = Page {
            width: Some(40),
            ..Page::default()
        };
        let plain = table(&columns, &rows(false), &page);
        let painted = table(&columns, &rows(true), &page);
        assert!(
            painted.contains("\x1b[31mfalseticker\x1b[0m"),
            "{painted:?}"
        );
        let stripped = painted.replace("\x1b[31m", "").replace("\x1b[0m", "");
        assert_eq!(stripped, plain);
    }
}
