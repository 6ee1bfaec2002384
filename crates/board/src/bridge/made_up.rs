//! Sensors of a simulated kernel: what they say is made up, and says so.

use async_trait::async_trait;
use gatehouse_model::Quality;

use crate::traits::{ReadError, Sample, SensorProperty, SensorSource};

/// A source whose values are made up.
pub(super) struct MadeUp(pub(super) Box<dyn SensorSource>);

#[async_trait]
impl SensorSource for MadeUp {
    fn properties(&self) -> Vec<SensorProperty> {
        self.0.properties()
    }

    fn has_other_properties(&mut self) -> bool {
        self.0.has_other_properties()
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        let mut samples = self.0.read().await?;
        for sample in &mut samples {
            sample.quality = sample.quality.max(Quality::Simulated);
        }
        Ok(samples)
    }
}
