//! Columns that stand below each other.

/// Rows as lines of text, indented by two, with each column as wide as its widest cell. The last column is not filled up.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            line.push(' ');
            line.push_str(cell);
            let missing = width.saturating_sub(cell.chars().count()) + 1;
            line.extend(std::iter::repeat_n(' ', missing));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["pin", "line", "held by"]), row(&["7", "GPIO 4", "größer"]), row(&["11", ""])];
        assert_eq!(aligned(&rows), "  pin  line    held by\n  7    GPIO 4  größer\n  11\n");
        assert_eq!(aligned(&[]), "");
    }
}
