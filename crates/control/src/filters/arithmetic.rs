//! `offset`, `multiply`, `calibrate_linear`, `calibrate_polynomial`: one number in, one number out, nothing remembered.

use gatehouse_model::Moment;

use super::Filter;
use crate::lookup::{Outside, Table};
use crate::measured::Measured;

/// Highest degree of a polynomial. Higher ones swing between the points that they are fitted to.
pub const MAX_DEGREE: usize = 5;

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Change of the result for a change of one.
    pub slope: f64,
    /// The result at zero.
    pub intercept: f64,
}

/// Why no curve fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitProblem {
    /// A point is not finite.
    #[error("a point is not a finite number")]
    NotFinite,
    /// The degree is zero or above [`MAX_DEGREE`].
    #[error("the degree must be between 1 and {MAX_DEGREE}")]
    Degree,
    /// Fewer different measured numbers than the curve needs.
    #[error("it needs {needed} points with different measured numbers")]
    TooFewPoints {
        /// How many it needs.
        needed: usize,
    },
}

impl Line {
    /// The line with the least sum of squared differences from these points, each `(measured, true)`.
    ///
    /// # Errors
    /// When there are fewer than two different measured numbers, or a point is not finite.
    pub fn fit(points: &[(f64, f64)]) -> Result<Self, FitProblem> {
        let polynomial = Polynomial::fit(points, 1)?;
        let slope = polynomial.coefficient(1) / polynomial.half_width;
        let line = Self { slope, intercept: polynomial.coefficient(0) - slope * polynomial.centre };
        let is_finite = line.slope.is_finite() && line.intercept.is_finite();
        if is_finite { Ok(line) } else { Err(FitProblem::NotFinite) }
    }

    /// The line at `x`.
    pub fn at(self, x: f64) -> f64 {
        self.slope.mul_add(x, self.intercept)
    }
}

/// A polynomial, in the measured number moved and scaled to -1 to 1 over its points, where the fit is well conditioned.
#[derive(Clone, Debug, PartialEq)]
pub struct Polynomial {
    centre: f64,
    half_width: f64,
    coefficients: Vec<f64>,
}

impl Polynomial {
    /// The polynomial of this degree with the least sum of squared differences from these points, each
    /// `(measured, true)`.
    ///
    /// # Errors
    /// When there are too few different measured numbers for the degree, or a point is not finite.
    pub fn fit(points: &[(f64, f64)], degree: usize) -> Result<Self, FitProblem> {
        if !(1..=MAX_DEGREE).contains(&degree) {
            return Err(FitProblem::Degree);
        }
        if points.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
            return Err(FitProblem::NotFinite);
        }
        let mut different: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
        different.sort_by(f64::total_cmp);
        different.dedup();
        let [low, .., high] = different[..] else {
            return Err(FitProblem::TooFewPoints { needed: degree + 1 });
        };
        if different.len() <= degree {
            return Err(FitProblem::TooFewPoints { needed: degree + 1 });
        }
        let (centre, half_width) = (low / 2.0 + high / 2.0, high / 2.0 - low / 2.0);
        let scaled = points.iter().map(|(x, y)| ((x - centre) / half_width, *y));
        let coefficients = solve(normal_equations(scaled, degree + 1)).ok_or(FitProblem::NotFinite)?;
        Ok(Self { centre, half_width, coefficients })
    }

    fn coefficient(&self, power: usize) -> f64 {
        self.coefficients.get(power).copied().unwrap_or(0.0)
    }

    /// The polynomial at `x`.
    pub fn at(&self, x: f64) -> f64 {
        let scaled = (x - self.centre) / self.half_width;
        self.coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * scaled + coefficient)
    }
}

/// Rows of the normal equations, each with its right side last.
fn normal_equations(points: impl Iterator<Item = (f64, f64)>, unknowns: usize) -> Vec<Vec<f64>> {
    let mut rows = vec![vec![0.0; unknowns + 1]; unknowns];
    for (x, y) in points {
        let powers: Vec<f64> =
            std::iter::successors(Some(1.0), |power| Some(power * x)).take(unknowns).collect();
        for (row, left) in rows.iter_mut().zip(&powers) {
            for (cell, right) in row.iter_mut().zip(powers.iter().chain([&y])) {
                *cell += left * right;
            }
        }
    }
    rows
}

/// Gaussian elimination with the largest pivot; nothing when there is no single finite solution.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let unknowns = rows.len();
    for column in 0..unknowns {
        let pivot =
            (column..unknowns).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let pivot = rows[column].clone();
        if pivot[column] == 0.0 {
            return None;
        }
        for (index, row) in rows.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / pivot[column];
                row.iter_mut().zip(&pivot).for_each(|(cell, above)| *cell -= factor * above);
            }
        }
    }
    let solution: Vec<f64> = (0..unknowns).map(|index| rows[index][unknowns] / rows[index][index]).collect();
    solution.iter().all(|coefficient| coefficient.is_finite()).then_some(solution)
}

/// Applies a curve.
#[derive(Clone, Debug)]
pub(super) enum Arithmetic {
    Line(Line),
    Table(Table),
    Polynomial(Polynomial),
}

impl Filter for Arithmetic {
    fn handle_value(&mut self, measured: Measured, _now: Moment) -> Option<Measured> {
        let value = match self {
            Self::Line(line) => line.at(measured.value),
            Self::Table(table) => table.at(measured.value, Outside::Extrapolated).0,
            Self::Polynomial(polynomial) => polynomial.at(measured.value),
        };
        measured.with_value(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_line_of_least_squares_is_that_of_the_textbook() {
        // Worked by hand: means 2 and 11/3, slope (Σxy - n·x̄·ȳ) / (Σx² - n·x̄²) = (25 - 22) / (14 - 12) = 1.5.
        let line = Line::fit(&[(1.0, 2.0), (2.0, 4.0), (3.0, 5.0)]).unwrap();
        assert!((line.slope - 1.5).abs() < 1e-12, "{line:?}");
        assert!((line.intercept - 2.0 / 3.0).abs() < 1e-12, "{line:?}");
    }

    #[test]
    fn a_curve_that_its_points_do_not_define_is_refused() {
        assert_eq!(Line::fit(&[(1.0, 1.0)]), Err(FitProblem::TooFewPoints { needed: 2 }));
        assert_eq!(Line::fit(&[(1.0, 1.0), (1.0, 2.0)]), Err(FitProblem::TooFewPoints { needed: 2 }));
        assert_eq!(Line::fit(&[(1.0, f64::NAN), (2.0, 1.0)]), Err(FitProblem::NotFinite));
        let points: Vec<_> = (0..20).map(|x| (f64::from(x), 0.0)).collect();
        assert_eq!(Polynomial::fit(&points, 6), Err(FitProblem::Degree));
        assert_eq!(Polynomial::fit(&points[..2], 2), Err(FitProblem::TooFewPoints { needed: 3 }));
    }

    proptest! {
        #[test]
        fn a_polynomial_finds_the_one_that_its_points_lie_on(
            coefficients in proptest::collection::vec(-10.0f64..10.0, 2..=MAX_DEGREE + 1),
            start in -100.0f64..100.0,
            step in 0.1f64..20.0,
        ) {
            let truth = |x: f64| {
                coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
            };
            let points: Vec<_> = (0..12).map(|n| start + step * f64::from(n)).map(|x| (x, truth(x))).collect();
            let found = Polynomial::fit(&points, coefficients.len() - 1).unwrap();
            let size = points.iter().map(|(_, y)| y.abs()).fold(1.0, f64::max);
            for (x, y) in points {
                prop_assert!((found.at(x) - y).abs() <= 1e-8 * size, "{} instead of {y} at {x}", found.at(x));
            }
        }

        #[test]
        fn no_other_line_is_nearer_to_the_points(
            points in proptest::collection::vec((-100.0f64..100.0, -100.0f64..100.0), 3..20),
            slope in -0.5f64..0.5, shift in -5.0f64..5.0,
        ) {
            let squares = |line: Line| points.iter().map(|(x, y)| (line.at(*x) - y).powi(2)).sum::<f64>();
            let best = Line::fit(&points).unwrap();
            let other = Line { slope: best.slope + slope, intercept: best.intercept + shift };
            prop_assert!(squares(best) <= squares(other) * (1.0 + 1e-9) + 1e-9);
        }

        #[test]
        fn points_of_any_size_never_give_a_curve_that_is_no_number(
            points in proptest::collection::vec((any::<f64>(), any::<f64>()), 0..8), degree in 0usize..8, x in -1e3f64..1e3
        ) {
            if let Ok(polynomial) = Polynomial::fit(&points, degree) {
                prop_assert!(!polynomial.at(x).is_nan() || polynomial.coefficients.iter().any(|c| c.abs() > 1e100)
                    || polynomial.half_width < 1e-100 || polynomial.centre.abs() > 1e100);
            }
        }
    }
}
