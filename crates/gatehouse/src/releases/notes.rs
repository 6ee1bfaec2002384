//! Which files beside the data say something of releases.

use super::trial::{FALLEN_BACK, TRIAL};
use super::unkept::UNKEPT;
use crate::paths::RELEASE_FILE;

/// What is noted of releases beside the data.
pub(crate) const FILES: [&str; 4] = [RELEASE_FILE, TRIAL, FALLEN_BACK, UNKEPT];
