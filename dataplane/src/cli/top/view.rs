//! How the screen looks: as lines for a terminal of any size, and as text.

use std::fmt::Write as _;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::Line,
};

use super::screen::{Screen, Sheet};

/// Columns between two columns of a table.
const GAP: usize = 2;
/// A table's heading and one row: what each keeps however small the screen is.
const LEAST: usize = 2;

/// What the person at the keys has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The table that gets the room, and that up and down scroll.
    pub sheet: usize,
    /// Its first row that is shown.
    pub scroll: usize,
    /// No new samples are taken.
    pub paused: bool,
    /// Why the last sample is missing.
    pub trouble: Option<String>,
}

/// The whole screen as text.
pub fn text(screen: &Screen) -> String {
    let mut text = String::new();
    for line in &screen.head {
        let _ = writeln!(text, "{line}");
    }
    for sheet in &screen.sheets {
        text.push('\n');
        let widths = widths(sheet, usize::MAX);
        for row in std::iter::once(heading(sheet)).chain(sheet.rows.iter().cloned()) {
            let _ = writeln!(text, "{}", aligned(&row, &widths).trim_end());
        }
    }
    for warning in &screen.warnings {
        let _ = writeln!(text, "\nwarning: {warning}");
    }
    text
}

/// Draws the screen; corrects a choice that it has no place for.
pub fn draw(frame: &mut Frame<'_>, screen: &Screen, choice: &mut Choice) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    choice.sheet = choice.sheet.min(screen.sheets.len().saturating_sub(1));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let warn = Style::new().fg(Color::Yellow);
    let mut lines: Vec<(String, Style)> = screen.head.iter().map(|line| (line.clone(), bold)).collect();
    // Warnings may take a few lines, never the tables' room.
    let warnings = screen.warnings.len().min(3);
    for (index, warning) in screen.warnings.iter().take(warnings).enumerate() {
        let more = screen.warnings.len() - warnings;
        let rest =
            if index + 1 == warnings && more > 0 { format!(" (and {more} more)") } else { String::new() };
        lines.push((format!("! {warning}{rest}"), warn));
    }
    let wanted: Vec<_> = screen.sheets.iter().map(|sheet| sheet.rows.len() + 1).collect();
    let heights = heights(&wanted, choice.sheet, height.saturating_sub(lines.len() + 1));
    for (index, (sheet, height)) in screen.sheets.iter().zip(heights).enumerate() {
        let chosen = index == choice.sheet;
        let shown = height.saturating_sub(1);
        let first = if chosen { &mut choice.scroll } else { &mut 0 };
        *first = (*first).min(sheet.rows.len().saturating_sub(shown));
        let widths = widths(sheet, width);
        let style = if chosen { bold.add_modifier(Modifier::REVERSED) } else { bold };
        let mut head = heading(sheet);
        if shown < sheet.rows.len() {
            head[0] = format!("{} {}-{}/{}", head[0], *first + 1, *first + shown, sheet.rows.len());
        }
        let rows = sheet.rows.iter().skip(*first).take(shown);
        let table = std::iter::once((aligned(&head, &widths), style))
            .chain(rows.map(|row| (aligned(row, &widths), Style::new())));
        lines.extend(table.take(height));
    }
    lines.resize(height.saturating_sub(1), (String::new(), Style::new()));
    let footer = match (&choice.trouble, choice.paused) {
        (Some(trouble), _) => (format!("! {trouble}"), warn),
        (None, true) => ("PAUSED  q quit  p go on  tab table  up/down scroll".into(), Style::new()),
        (None, false) => ("q quit  p pause  tab table  up/down scroll".into(), Style::new()),
    };
    lines.push(footer);
    for (row, (line, style)) in lines.into_iter().take(height).enumerate() {
        let place = Rect { y: row as u16, height: 1, ..area };
        frame.render_widget(Line::styled(cut(&line, width), style), place);
    }
}

/// How many lines each table gets of `room`: first a little for everybody,
/// then all that the chosen one wants, then the others in order.
fn heights(wanted: &[usize], chosen: usize, room: usize) -> Vec<usize> {
    let mut left = room;
    let mut given = vec![0; wanted.len()];
    let order = [chosen].into_iter().chain((0..wanted.len()).filter(|index| *index != chosen));
    let order: Vec<_> = order.filter(|index| *index < wanted.len()).collect();
    for limit in [LEAST, usize::MAX] {
        for index in &order {
            let more = (wanted[*index].min(limit) - given[*index].min(limit)).min(left);
            given[*index] += more;
            left -= more;
        }
    }
    given
}

fn heading(sheet: &Sheet) -> Vec<String> {
    sheet.columns.iter().map(|column| (*column).into()).collect()
}

/// The width of each column: what its longest cell needs; the first gives way
/// where there is no room for all, and takes what is left over.
fn widths(sheet: &Sheet, room: usize) -> Vec<usize> {
    let longest = |column: usize| {
        let cells = sheet.rows.iter().map(|row| row[column].chars().count());
        cells.chain([sheet.columns[column].len()]).max().unwrap_or(0)
    };
    let mut widths: Vec<_> = (0..sheet.columns.len()).map(longest).collect();
    let others = widths[1..].iter().map(|width| width + GAP).sum::<usize>();
    widths[0] = if room == usize::MAX { widths[0] } else { room.saturating_sub(others).max(4) };
    widths
}

/// A row: the first cell to the left, figures to the right.
fn aligned(row: &[String], widths: &[usize]) -> String {
    let mut line = format!("{:<1$}", cut(&row[0], widths[0]), widths[0]);
    for (cell, width) in row.iter().zip(widths).skip(1) {
        let _ = write!(line, "{:>1$}", cell, width + GAP);
    }
    line
}

/// A text in at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
