//! `filter.<property>`: a list of filters, each a table with one key.

use std::ops::Range;
use std::time::Duration;

use gatehouse_board::config::{FilterRule, MAX_FILTERS};
use gatehouse_control::filters::{
    LONGEST_FILTER_TIME, Line, MAX_DEGREE, MAX_SKIPPED, MAX_WINDOW, Polynomial, SHORTEST_FILTER_TIME,
    Sending, Statistic, Step,
};
use gatehouse_control::lookup::Table;
use gatehouse_control::rounding::MAX_DECIMALS;
use toml_edit::{Item, TableLike};

use super::by_property::Entry;
use super::nearest::{listed, nearest};
use super::number_lists::{numbers, points};
use super::problems::{Finding, Findings};
use super::section::Section;

/// The filters, with an example of each.
const FILTERS: [(&str, &str); 22] = [
    ("calibrate_linear", "[[0.1, 0.0], [99.2, 100.0]]"),
    ("calibrate_polynomial", "{ degree = 2, points = [[0, 0], [50, 51], [100, 100]] }"),
    ("clamp", "{ min = 0, max = 100 }"),
    ("debounce", "\"1s\""),
    ("delta", "0.5"),
    ("exponential_moving_average", "0.1"),
    ("filter_out", "85.0"),
    ("heartbeat", "\"1m\""),
    ("max", "5"),
    ("median", "5"),
    ("min", "5"),
    ("multiply", "1.02"),
    ("offset", "-0.4"),
    ("or", "[{ throttle = \"1m\" }, { delta = 0.5 }]"),
    ("quantile", "{ window = 5, quantile = 0.9 }"),
    ("round", "1"),
    ("round_to_multiple_of", "0.25"),
    ("skip_initial", "3"),
    ("sliding_window_moving_average", "5"),
    ("throttle", "\"10s\""),
    ("throttle_average", "\"1m\""),
    ("timeout", "\"5m\""),
];

/// Reads a list of filters; nothing when it cannot be used.
pub(super) fn read(entry: &Entry<'_>, findings: &mut Findings) -> Option<Vec<FilterRule>> {
    let example = format!("write a list: {} = [{{ median = 5 }}, {{ throttle = \"10s\" }}]", entry.path);
    let span = entry.item.span().unwrap_or_else(|| entry.span.clone());
    let rules = list(entry.item, &span, &entry.path, &example, findings)?;
    if rules.iter().map(FilterRule::count).sum::<usize>() > MAX_FILTERS {
        let what = format!("`{}` has more than {MAX_FILTERS} filters", entry.path);
        findings.push(Finding::error(span, what, "leave some out: nobody understands a longer chain"));
        return None;
    }
    Some(rules)
}

fn list(
    item: &Item,
    span: &Range<usize>,
    path: &str,
    example: &str,
    findings: &mut Findings,
) -> Option<Vec<FilterRule>> {
    let mut tables: Vec<(&dyn TableLike, Range<usize>)> = Vec::new();
    if let Some(array) = item.as_array() {
        for value in array {
            let place = value.span().unwrap_or_else(|| span.clone());
            match value.as_inline_table() {
                Some(table) => tables.push((table, place)),
                None => findings.push(Finding::error(
                    place,
                    format!("`{path}` has something that is no filter"),
                    example,
                )),
            }
        }
        if tables.len() != array.len() {
            return None;
        }
    } else if let Some(array) = item.as_array_of_tables() {
        tables.extend(
            array.iter().map(|table| (table as &dyn TableLike, table.span().unwrap_or_else(|| span.clone()))),
        );
    } else {
        findings.push(Finding::error(span.clone(), format!("`{path}` is no list of filters"), example));
        return None;
    }
    let one = |(table, place): (&dyn TableLike, Range<usize>)| {
        one(Section::new(table, place, format!("`{path}`: ")), path, findings)
    };
    // Each one is read, so that every problem is told.
    let rules: Vec<Option<FilterRule>> = tables.into_iter().map(one).collect();
    rules.into_iter().collect()
}

fn one(mut section: Section<'_>, path: &str, findings: &mut Findings) -> Option<FilterRule> {
    let mut words = section.entries().map(|(word, _)| word);
    let (Some(word), None) = (words.next(), words.next()) else {
        let hint = "give each filter its own braces: [{ median = 5 }, { throttle = \"10s\" }]";
        findings.push(section.error(section.span.clone(), "a filter has one key", hint));
        return None;
    };
    drop(words);
    let Some((key, example)) = FILTERS.into_iter().find(|(key, _)| *key == word.value) else {
        findings.push(unknown(&section, word.value, word.span));
        return None;
    };
    let before = findings.len();
    let rule = rule(&mut section, key, example, path, findings);
    let Some(rule) = rule else {
        if findings.len() == before {
            findings.push(section.error(
                word.span,
                format!("`{key}` cannot be that"),
                format!("write {{ {key} = {example} }}"),
            ));
        }
        return None;
    };
    if let Some(problem) = rule.problem() {
        let hint = format!("write it like {{ {key} = {example} }}");
        findings.push(section.error(word.span, format!("`{key}`: {problem}"), hint));
        return None;
    }
    Some(rule)
}

fn unknown(section: &Section<'_>, word: &str, span: Range<usize>) -> Finding {
    if word == "lambda" {
        let hint = "use the other filters, or work the value out where it is received";
        return section.error(span, "`lambda` is no filter: a configuration holds no code", hint);
    }
    let words: Vec<&str> = FILTERS.iter().map(|(word, _)| *word).collect();
    let hint = match nearest(word, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? It can be {}", listed(&words)),
        None => format!("it can be {}", listed(&words)),
    };
    section.error(span, format!("there is no filter `{word}`"), hint)
}

fn rule(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    path: &str,
    findings: &mut Findings,
) -> Option<FilterRule> {
    let limits = (SHORTEST_FILTER_TIME, LONGEST_FILTER_TIME);
    let mut time = |make: fn(Duration) -> FilterRule| {
        section.duration_within(key, limits, example.trim_matches('"'), findings).map(make)
    };
    Some(match key {
        "throttle" => time(FilterRule::Throttle)?,
        "throttle_average" => time(FilterRule::ThrottleAverage)?,
        "heartbeat" => time(FilterRule::Heartbeat)?,
        "timeout" => time(FilterRule::Timeout)?,
        "debounce" => time(FilterRule::Debounce)?,
        "offset" => FilterRule::Offset(section.number(key, example, findings)?.value),
        "multiply" => FilterRule::Multiply(section.number(key, example, findings)?.value),
        "round_to_multiple_of" => {
            FilterRule::RoundToMultipleOf(section.number(key, example, findings)?.value)
        }
        "round" => {
            let digits = section.whole_within(key, (0, u64::from(MAX_DECIMALS)), findings)?;
            FilterRule::Round(u8::try_from(digits).ok()?)
        }
        "skip_initial" => {
            let count = section.whole_within(key, (0, u64::from(MAX_SKIPPED)), findings)?;
            FilterRule::SkipInitial(u32::try_from(count).ok()?)
        }
        "delta" => FilterRule::Delta(delta(section, findings)?),
        "filter_out" => FilterRule::FilterOut(numbers(section, key, findings)),
        "clamp" => clamp(section.table(key, findings)?, findings),
        "min" => window(section, key, Statistic::Min, findings)?,
        "max" => window(section, key, Statistic::Max, findings)?,
        "median" => window(section, key, Statistic::Median, findings)?,
        "sliding_window_moving_average" => window(section, key, Statistic::Mean, findings)?,
        "quantile" => window(section, key, Statistic::Quantile(0.9), findings)?,
        "exponential_moving_average" => exponential(section, key, findings)?,
        "calibrate_linear" => linear(section, findings)?,
        "calibrate_polynomial" => polynomial(section.table(key, findings)?, findings)?,
        "or" => {
            let found = section.item(key)?;
            let hint = format!("write or = {example}");
            FilterRule::Or(list(found.value, &found.span, &format!("{path}: or"), &hint, findings)?)
        }
        _ => return None,
    })
}

/// `0.5`, or `"5%"` of the last one.
fn delta(section: &mut Section<'_>, findings: &mut Findings) -> Option<Step> {
    let found = section.item("delta")?;
    if let Some(text) = found.value.as_str() {
        let percent = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        if percent.is_none() {
            let hint = "write a number, delta = 0.5, or a share of the last one, delta = \"5%\"";
            findings.push(section.error(found.span, format!("`{text}` is no share"), hint));
        }
        return percent.map(Step::Percent);
    }
    section.number("delta", "0.5", findings).map(|number| Step::Absolute(number.value))
}

fn clamp(mut section: Section<'_>, findings: &mut Findings) -> FilterRule {
    let min = section.number("min", "0", findings).map(|number| number.value);
    let max = section.number("max", "100", findings).map(|number| number.value);
    let ignore_out_of_range = section.flag("ignore_out_of_range", findings).unwrap_or(false);
    section.finish("`clamp`", findings);
    FilterRule::Clamp { min, max, ignore_out_of_range }
}

fn sending(section: &mut Section<'_>, findings: &mut Findings) -> Sending {
    let mut count = |key| {
        let count = section.whole_within(key, (1, MAX_WINDOW as u64), findings);
        count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
    };
    Sending { every: count("send_every"), first_at: count("send_first_at") }
}

/// A count of readings, or a table with it.
fn window(
    section: &mut Section<'_>,
    key: &'static str,
    statistic: Statistic,
    findings: &mut Findings,
) -> Option<FilterRule> {
    let found = section.item(key)?;
    let limits = (1, MAX_WINDOW as u64);
    if found.value.as_table_like().is_none() {
        let size = usize::try_from(section.whole_within(key, limits, findings)?).ok()?;
        return Some(FilterRule::Window { statistic, size, sending: Sending::default() });
    }
    let mut table = section.table(key, findings)?;
    let size = table.whole_within("window", limits, findings);
    if table.item("window").is_none() {
        findings.push(table.missing("window", "write how many readings count: window = 5"));
    }
    let statistic = match statistic {
        Statistic::Quantile(usual) => {
            let share = table.number("quantile", "0.9", findings);
            Statistic::Quantile(share.map_or(usual, |share| share.value))
        }
        other => other,
    };
    let sending = sending(&mut table, findings);
    table.finish(&format!("`{key}`"), findings);
    Some(FilterRule::Window { statistic, size: usize::try_from(size?).ok()?, sending })
}

/// The share alone, or a table with it.
fn exponential(section: &mut Section<'_>, key: &'static str, findings: &mut Findings) -> Option<FilterRule> {
    let found = section.item(key)?;
    if found.value.as_table_like().is_none() {
        let alpha = section.number(key, "0.1", findings)?.value;
        return Some(FilterRule::ExponentialMovingAverage { alpha, sending: Sending::default() });
    }
    let mut table = section.table(key, findings)?;
    let alpha = table.number("alpha", "0.1", findings);
    if table.item("alpha").is_none() {
        findings.push(table.missing("alpha", "write the share of each new reading: alpha = 0.1"));
    }
    let sending = sending(&mut table, findings);
    table.finish(&format!("`{key}`"), findings);
    Some(FilterRule::ExponentialMovingAverage { alpha: alpha?.value, sending })
}

/// Points, or a table with points and how they are joined.
fn linear(section: &mut Section<'_>, findings: &mut Findings) -> Option<FilterRule> {
    const KEY: &str = "calibrate_linear";
    let found = section.item(KEY)?;
    let (points, is_exact, place) = if found.value.as_table_like().is_some() {
        let mut table = section.table(KEY, findings)?;
        let points = points(&mut table, "points", findings);
        if table.item("points").is_none() {
            findings.push(table.missing("points", "write points = [[0.1, 0.0], [99.2, 100.0]]"));
        }
        let methods = [("least-squares", false), ("exact", true)];
        let is_exact = table.choice("method", &methods, findings).unwrap_or(false);
        table.finish("`calibrate_linear`", findings);
        let points = points?;
        (points.value, is_exact, points.span)
    } else {
        let points = points(section, KEY, findings)?;
        (points.value, false, points.span)
    };
    let rule = if is_exact {
        Table::new(points).map(FilterRule::CalibrateExact).map_err(|problem| problem.to_string())
    } else {
        Line::fit(&points).map(FilterRule::CalibrateLinear).map_err(|problem| problem.to_string())
    };
    let hint = "write two points or more, measured and true: [[0.1, 0.0], [99.2, 100.0]]";
    rule.map_err(|problem| findings.push(section.error(place, problem, hint))).ok()
}

fn polynomial(mut section: Section<'_>, findings: &mut Findings) -> Option<FilterRule> {
    let degree = section.whole_within("degree", (1, MAX_DEGREE as u64), findings);
    if section.item("degree").is_none() {
        findings.push(section.missing("degree", "write the highest power: degree = 2"));
    }
    let points = points(&mut section, "points", findings);
    if section.item("points").is_none() {
        findings.push(section.missing("points", "write points = [[0, 0], [50, 51], [100, 100]]"));
    }
    let (degree, points) = (usize::try_from(degree?).ok()?, points?);
    let fit = Polynomial::fit(&points.value, degree).map(FilterRule::CalibratePolynomial);
    let hint = "write more points than the degree, measured and true";
    let rule = fit.map_err(|problem| findings.push(section.error(points.span, problem.to_string(), hint)));
    section.finish("`calibrate_polynomial`", findings);
    rule.ok()
}
