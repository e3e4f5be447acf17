//! Tables, for a terminal and for a document.

use std::fmt::Write;

/// A title, columns and rows. The first column is text on the left, the others are figures on the right.
pub(crate) struct Table {
    pub title: &'static str,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(title: &'static str, columns: &[&str]) -> Self {
        Self { title, columns: columns.iter().map(|name| name.to_string()).collect(), rows: Vec::new() }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count()));
            cells.max().unwrap_or(0).max(self.columns[column].chars().count())
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &[String]| {
            let pad = |(column, cell): (usize, &String)| match column {
                0 => format!("{cell:width$}", width = widths[column]),
                _ => format!("{cell:>width$}", width = widths[column]),
            };
            let cells: Vec<String> = cells.iter().enumerate().map(pad).collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        let mut text = format!("{}\n{}", self.title, line(&self.columns));
        self.rows.iter().for_each(|row| text += &line(row));
        text
    }

    /// For a document in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n| {} |\n|---", self.title, self.columns.join(" | "));
        (1..self.columns.len()).for_each(|_| text += "|---:");
        text += "|\n";
        for row in &self.rows {
            writeln!(text, "| {} |", row.join(" | ")).expect("a string takes what is written");
        }
        text
    }
}

/// Nanoseconds as microseconds.
pub(crate) fn microseconds(nanoseconds: u64) -> String {
    format!("{:.1}", nanoseconds as f64 / 1_000.0)
}

/// Nanoseconds as milliseconds.
pub(crate) fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.2}", nanoseconds as f64 / 1_000_000.0)
}

/// A ratio, or a dash.
pub(crate) fn times(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_every_cell() {
        let mut table = Table::new("Speeds", &["case", "µs"]);
        table.rows.push(vec!["a".into(), "12.5".into()]);
        table.rows.push(vec!["longer".into(), "1.0".into()]);
        assert_eq!(table.text(), "Speeds\ncase      µs\na       12.5\nlonger   1.0\n");
        assert_eq!(table.markdown(), "**Speeds**\n\n| case | µs |\n|---|---:|\n| a | 12.5 |\n| longer | 1.0 |\n");
        assert_eq!((microseconds(1_250), milliseconds(1_250_000)), ("1.2".into(), "1.25".into()));
        assert_eq!((times(Some(1.005)), times(None)), ("1.00".into(), "-".into()));
    }
}
