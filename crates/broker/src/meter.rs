//! How many bytes wait for all clients together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<AtomicUsize>);

impl Meter {
    /// Bytes that wait now.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one holder contributes to the sum; it is taken back when the holder is gone.
#[derive(Debug, Default)]
pub(crate) struct Metered {
    meter: Meter,
    own: AtomicUsize,
}

impl Metered {
    pub(crate) fn new(meter: Meter) -> Self {
        Self { meter, own: AtomicUsize::new(0) }
    }

    /// Bytes of this holder.
    pub(crate) fn bytes(&self) -> usize {
        self.own.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.own.fetch_add(bytes, Ordering::AcqRel);
        self.meter.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back what was added before.
    pub(crate) fn take(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::AcqRel);
        self.meter.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.0.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_holder_had_is_gone_with_it() {
        let meter = Meter::default();
        let (one, other) = (Metered::new(meter.clone()), Metered::new(meter.clone()));
        one.add(10);
        other.add(5);
        one.take(3);
        assert_eq!((meter.bytes(), one.bytes()), (12, 7));
        drop(one);
        assert_eq!(meter.bytes(), 5);
    }
}
