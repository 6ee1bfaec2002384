//! Edges that wait for their reader, with the manners of the kernel's line interface.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::traits::Edge;

/// Edges that wait at most: what can be had of the kernel for one request (`GPIO_V2_LINES_MAX * 16`).
pub(super) const EDGE_QUEUE: usize = 1_024;

/// A queue that drops the oldest when it is full, so that the newest always tells what the line is; the next one that is
/// read says how many are missing.
#[derive(Debug, Default)]
pub(super) struct EdgeQueue {
    edges: Mutex<VecDeque<Edge>>,
    news: Notify,
}

impl EdgeQueue {
    pub(super) fn push(&self, edge: Edge) {
        let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        edges.push_back(edge);
        if edges.len() > EDGE_QUEUE
            && let Some(dropped) = edges.pop_front()
            && let Some(oldest) = edges.front_mut()
        {
            oldest.missed = oldest.missed.saturating_add(dropped.missed).saturating_add(1);
        }
        drop(edges);
        self.news.notify_one();
    }

    /// Waits for an edge, and takes as many as there are, `most` at most.
    pub(super) async fn take(&self, most: usize, into: &mut Vec<Edge>) {
        loop {
            {
                let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
                let count = edges.len().min(most);
                if count > 0 {
                    into.extend(edges.drain(..count));
                    return;
                }
            }
            self.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traits::Level;
    use gatehouse_model::Moment;

    #[tokio::test]
    async fn a_reader_that_comes_late_learns_what_is_missing_and_where_the_line_is() {
        let queue = EdgeQueue::default();
        for number in 0..EDGE_QUEUE + 7 {
            queue.push(Edge {
                level: Level::from_on(usize::is_multiple_of(number, 2)),
                at: Moment::default(),
                missed: 0,
            });
        }
        let mut edges = Vec::new();
        queue.take(1, &mut edges).await;
        queue.take(usize::MAX, &mut edges).await;
        assert_eq!(edges.len(), EDGE_QUEUE);
        assert_eq!(edges[0].missed, 7);
        assert!(edges[1..].iter().all(|edge| edge.missed == 0));
        assert_eq!(edges.last().unwrap().level, Level::from_on((EDGE_QUEUE + 6).is_multiple_of(2)));
    }
}
