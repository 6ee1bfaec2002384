//! Findings, and how they are shown: the line, the column, what is wrong, what to do.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// Most findings that are shown. A file of another kind can have thousands, and nobody reads those.
pub(crate) const MAX_SHOWN: usize = 50;

/// Longest source line that is shown, in bytes, and longest title and hint, in characters.
const MAX_LINE_BYTES: usize = 400;

/// Whether the configuration can be used with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

/// Something that is wrong, or worth a second thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Where in the text, in bytes; nothing for the file as a whole.
    pub(super) span: Option<Range<usize>>,
    /// What is wrong.
    pub(super) what: String,
    /// What to do.
    pub(super) hint: String,
}

impl Finding {
    pub(super) fn error(
        span: impl Into<Option<Range<usize>>>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Error, span: span.into(), what: what.into(), hint: hint.into() }
    }

    pub(super) fn warning(span: Range<usize>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, what, hint) }
    }
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The findings in the order of the text, with the lines that they are about.
    pub(super) fn into_problems(mut self, text: &str, file_name: &str) -> Problems {
        self.list.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
        let count = |severity| self.list.iter().filter(|finding| finding.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        // Errors are never crowded out by warnings.
        let shown =
            self.list.iter().filter(|finding| finding.severity == Severity::Error).take(MAX_SHOWN).count();
        let mut left = [shown, MAX_SHOWN - shown];
        let list = self
            .list
            .into_iter()
            .filter(|finding| {
                let left = &mut left[usize::from(finding.severity == Severity::Warning)];
                let is_shown = *left > 0;
                *left = left.saturating_sub(1);
                is_shown
            })
            .map(|finding| Problem::locate(finding, text))
            .collect();
        Problems { file_name: file_name.to_owned(), list, errors, warnings }
    }
}

/// A finding with its line.
#[derive(Clone, Debug)]
struct Problem {
    finding: Finding,
    place: Option<Place>,
}

/// A part of one line.
#[derive(Clone, Debug)]
struct Place {
    /// Counted from 1.
    line: usize,
    /// In characters, counted from 1.
    column: usize,
    text: String,
    /// The part of `text` that is meant, in bytes.
    span: Range<usize>,
}

impl Problem {
    fn locate(finding: Finding, text: &str) -> Self {
        let place = finding.span.as_ref().map(|span| Place::of(span, text));
        Self { finding, place }
    }
}

impl Place {
    fn of(span: &Range<usize>, text: &str) -> Self {
        let start = floor_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[..line_start].matches('\n').count() + 1;
        let rest = &text[line_start..];
        let rest = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let shown = &rest[..floor_boundary(rest, MAX_LINE_BYTES)];
        let from = (start - line_start).min(shown.len());
        // What spans several lines is shown where it begins.
        let end = floor_boundary(text, span.end.max(start)) - line_start;
        let to = floor_boundary(shown, end.min(shown.len())).max(from);
        let column = text[line_start..start].chars().count() + 1;
        Self { line, column, text: shown.to_owned(), span: from..to }
    }

    /// Whether the line that is shown reaches the place; in a very long line it may not.
    fn is_shown(&self) -> bool {
        self.text[..self.span.start].chars().count() + 1 == self.column
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

/// Whether the text goes to a terminal that shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Coloured,
}

/// Everything that was found in one file: errors, warnings, or both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    file_name: String,
    list: Vec<Problem>,
    errors: usize,
    warnings: usize,
}

/// A finding as it is told to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownFinding {
    /// Whether it keeps the configuration from being used.
    pub(crate) is_error: bool,
    /// Line and column, both counted from 1; nothing for the file as a whole.
    pub(crate) place: Option<(usize, usize)>,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: String,
}

impl Problems {
    /// How many of them keep the configuration from being used.
    pub(crate) const fn errors(&self) -> usize {
        self.errors
    }

    /// Whether there is nothing to say.
    pub(crate) const fn is_empty(&self) -> bool {
        self.errors == 0 && self.warnings == 0
    }

    /// Each of them, errors and warnings in the order of the text.
    pub(crate) fn findings(&self) -> Vec<ShownFinding> {
        let shown = |problem: &Problem| ShownFinding {
            is_error: problem.finding.severity == Severity::Error,
            place: problem.place.as_ref().map(|place| (place.line, place.column)),
            what: printable(&problem.finding.what),
            hint: printable(&problem.finding.hint),
        };
        self.list.iter().map(shown).collect()
    }

    /// A problem with the file as a whole, such as that it cannot be read.
    pub(super) fn of_file(file_name: &str, what: String, hint: &str) -> Self {
        let mut findings = Findings::default();
        findings.push(Finding::error(None, what, hint));
        findings.into_problems("", file_name)
    }

    /// All of them for people, with a count at the end; empty when there are none.
    pub(crate) fn render(&self, paint: Paint) -> String {
        if self.is_empty() {
            return String::new();
        }
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Coloured => Renderer::styled(),
        };
        let mut text = String::new();
        for problem in &self.list {
            text.push_str(&self.render_one(problem, &renderer));
            text.push_str("\n\n");
        }
        text.push_str(&self.count());
        text
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let Problem { finding, place } = problem;
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(printable(&finding.what));
        let help = Level::HELP.message(printable(&finding.hint));
        let file = printable(&self.file_name);
        let group: Group<'_> = match place {
            Some(place) if place.is_shown() => title.element(
                Snippet::source(place.text.as_str())
                    .line_start(place.line)
                    .path(file)
                    .annotation(AnnotationKind::Primary.span(place.span.clone())),
            ),
            Some(place) => title.element(Origin::path(file).line(place.line).char_column(place.column)),
            None => title.element(Origin::path(file)),
        };
        renderer.render(&[group.element(help)])
    }

    fn count(&self) -> String {
        let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let counts: Vec<String> = [(self.errors, "problem"), (self.warnings, "warning")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| many(count, word))
            .collect();
        let mut text = format!("{} in {}", counts.join(" and "), printable(&self.file_name));
        let hidden = self.errors + self.warnings - self.list.len();
        if hidden > 0 {
            text.push_str(&format!("; {hidden} of them are not shown"));
        }
        text
    }
}

/// All of them without colours.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Problems {}

/// Words of the file in a sentence: on one line, not endless, and without sequences that a terminal would obey.
fn printable(text: &str) -> String {
    let mut printable: String = text
        .chars()
        .take(MAX_LINE_BYTES)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if text.chars().nth(MAX_LINE_BYTES).is_some() {
        printable.push('…');
    }
    printable
}

#[cfg(test)]
impl Problems {
    /// Line, column, what and hint of each.
    pub(super) fn listed(&self) -> Vec<(usize, usize, &str, &str)> {
        let place =
            |problem: &Problem| problem.place.as_ref().map_or((0, 0), |place| (place.line, place.column));
        self.list
            .iter()
            .map(|problem| {
                (place(problem).0, place(problem).1, &*problem.finding.what, &*problem.finding.hint)
            })
            .collect()
    }
}
