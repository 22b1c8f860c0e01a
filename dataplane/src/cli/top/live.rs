//! The live screen: samples and keys.

use std::{
    io::IsTerminal,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::{
    client,
    figures::Figures,
    sample::Sample,
    screen::Screen,
    view::{self, Choice},
};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Quit,
    Pause,
    NextSheet,
    LastSheet,
    Up,
    Down,
}

/// Shows the chain behind `control` until somebody quits.
///
/// # Errors
/// Nobody of ours answers at first, or the terminal fails.
pub fn run(control: &Path, interval: Duration) -> anyhow::Result<()> {
    ensure!(std::io::stdout().is_terminal(), "this is no terminal: --once prints the same as text");
    let mut now = client::status(control)?;
    let mut before: Option<Sample> = None;
    let mut choice = Choice::default();
    let mut terminal = ratatui::try_init().context("cannot take the terminal")?;
    let mut next = Instant::now() + interval;
    let shown = loop {
        let screen = Screen::new(&now, before.as_ref(), Figures::Short);
        if let Err(error) = terminal.draw(|frame| view::draw(frame, &screen, &mut choice)) {
            break Err(error);
        }
        match wish(next.saturating_duration_since(Instant::now())) {
            Ok(Some(Wish::Quit)) => break Ok(()),
            Ok(Some(wish)) => follow(wish, &mut choice, screen.sheets.len()),
            Ok(None) => {}
            Err(error) => break Err(error),
        }
        if Instant::now() >= next {
            next = Instant::now() + interval;
            if !choice.paused {
                // A process that restarts is found again.
                match client::status(control) {
                    Ok(sample) => {
                        before = Some(std::mem::replace(&mut now, sample));
                        choice.trouble = None;
                    }
                    Err(error) => choice.trouble = Some(error.to_string()),
                }
            }
        }
    };
    ratatui::restore();
    shown.context("the terminal fails")
}

/// The next key within `time`, if it means something.
fn wish(time: Duration) -> std::io::Result<Option<Wish>> {
    if !event::poll(time)? {
        return Ok(None);
    }
    let Event::Key(key) = event::read()? else { return Ok(None) };
    if key.kind == KeyEventKind::Release {
        return Ok(None);
    }
    Ok(match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Quit),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Quit),
        KeyCode::Char('p' | ' ') => Some(Wish::Pause),
        KeyCode::Tab | KeyCode::Right => Some(Wish::NextSheet),
        KeyCode::BackTab | KeyCode::Left => Some(Wish::LastSheet),
        KeyCode::Up => Some(Wish::Up),
        KeyCode::Down => Some(Wish::Down),
        _ => None,
    })
}

fn follow(wish: Wish, choice: &mut Choice, sheets: usize) {
    let step = |to: usize| (to % sheets.max(1), 0);
    match wish {
        Wish::Quit => {}
        Wish::Pause => choice.paused = !choice.paused,
        Wish::NextSheet => (choice.sheet, choice.scroll) = step(choice.sheet + 1),
        Wish::LastSheet => (choice.sheet, choice.scroll) = step(choice.sheet + sheets.saturating_sub(1)),
        Wish::Up => choice.scroll = choice.scroll.saturating_sub(1),
        Wish::Down => choice.scroll += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_move_between_tables_and_within_one() {
        let mut choice = Choice::default();
        follow(Wish::LastSheet, &mut choice, 4);
        assert_eq!((choice.sheet, choice.scroll), (3, 0));
        follow(Wish::Down, &mut choice, 4);
        assert_eq!(choice.scroll, 1);
        follow(Wish::NextSheet, &mut choice, 4);
        assert_eq!((choice.sheet, choice.scroll), (0, 0));
        follow(Wish::Up, &mut choice, 4);
        assert_eq!(choice.scroll, 0);
        follow(Wish::Pause, &mut choice, 4);
        assert!(choice.paused);
    }
}
