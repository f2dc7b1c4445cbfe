//! Tables of plain text: columns as wide as their widest cell.

/// On which side a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

use Side::{Left, Right};

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a heading; an empty one is left out.
    pub(crate) fn new(columns: &[(&str, Side)]) -> Self {
        let heading: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let titled = heading.iter().any(|name| !name.is_empty());
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: titled.then_some(heading).into_iter().collect(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<const CELLS: usize>(&mut self, cells: [String; CELLS]) {
        self.rows.push(cells.into());
    }

    /// The lines of the table, each indented by two columns.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.sides.len()).map(width).collect();
        let columns = || self.sides.iter().zip(&widths);
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(columns());
            let cells: Vec<String> = cells
                .map(|(cell, (side, width))| match side {
                    Left => format!("{cell:<width$}"),
                    Right => format!("{cell:>width$}"),
                })
                .collect();
            format!("  {}", cells.join("  ").trim_end())
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("pool", Left), ("tokens", Right), ("why", Left)]);
        table.row(["größer".into(), "7".into(), "x".into()]);
        table.row(["a".into(), "1,000,000".into(), String::new()]);
        assert_eq!(
            table.lines(),
            [
                "  pool       tokens  why",
                "  größer          7  x",
                "  a       1,000,000",
            ]
        );
    }

    #[test]
    fn a_table_without_titles_has_no_heading() {
        let mut table = Table::new(&[("", Left)]);
        table.row(["x".into()]);
        assert_eq!(table.lines(), ["  x"]);
    }
}
