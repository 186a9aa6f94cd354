//! The ways between the shards of the memory engine: from each to each, in order, in bounded batches that are sent at
//! the end of a tick. Nobody waits: what finds no room stays with its sender.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use tokio::sync::mpsc;

/// Messages in one batch.
const BATCH_MESSAGES_MAX: usize = 512;
/// Batches that one shard may have waiting for it, from all others together.
const MAILBOX_BATCHES_MAX: usize = 256;

struct Way<M> {
    sender: mpsc::Sender<Vec<M>>,
    /// In order; only the last may still grow.
    waiting: VecDeque<Vec<M>>,
}

/// One shard's end of all ways.
pub(super) struct Mesh<M> {
    inbox: mpsc::Receiver<Vec<M>>,
    /// By shard; the way to itself is never used.
    ways: Vec<Way<M>>,
}

impl<M> Mesh<M> {
    /// The ends of `shards` shards.
    pub(super) fn among(shards: usize) -> Vec<Mesh<M>> {
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(MAILBOX_BATCHES_MAX)).unzip();
        let way = |sender: &mpsc::Sender<Vec<M>>| Way {
            sender: sender.clone(),
            waiting: VecDeque::new(),
        };
        inboxes
            .into_iter()
            .map(|inbox| Mesh {
                inbox,
                ways: senders.iter().map(way).collect(),
            })
            .collect()
    }

    /// For shard `to`, after all sent to it before.
    pub(super) fn send(&mut self, to: usize, message: M) {
        let waiting = &mut self.ways[to].waiting;
        match waiting.back_mut() {
            Some(batch) if batch.len() < BATCH_MESSAGES_MAX => batch.push(message),
            _ => waiting.push_back(vec![message]),
        }
    }

    /// The next batch from any shard.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Vec<M>> {
        match self.inbox.poll_recv(cx) {
            Poll::Ready(Some(batch)) => Poll::Ready(batch),
            // Every mesh holds a sender to itself, so the channel does not close.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Sends what waits. False: some of it found no room.
    pub(super) fn flush(&mut self) -> bool {
        let mut all_sent = true;
        for way in &mut self.ways {
            while let Some(batch) = way.waiting.pop_front() {
                match way.sender.try_send(batch) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(batch)) => {
                        way.waiting.push_front(batch);
                        all_sent = false;
                        break;
                    }
                    // That shard's loop has ended: the node is stopping.
                    Err(mpsc::error::TrySendError::Closed(_)) => {}
                }
            }
        }
        all_sent
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn what_finds_no_room_waits_and_keeps_its_order() {
        let mut meshes = Mesh::<usize>::among(2);
        let mut receiver = meshes.pop().expect("two ends");
        let mut sender = meshes.pop().expect("two ends");
        let messages = BATCH_MESSAGES_MAX * MAILBOX_BATCHES_MAX + 3;
        for number in 0..messages {
            sender.send(1, number);
        }
        assert!(!sender.flush(), "the mailbox has a limit");

        let mut cx = Context::from_waker(Waker::noop());
        let mut received = Vec::new();
        while received.len() < messages {
            match receiver.poll_receive(&mut cx) {
                Poll::Ready(batch) => received.extend(batch),
                Poll::Pending => assert!(sender.flush(), "there is room again"),
            }
        }
        assert!(received.into_iter().eq(0..messages));
    }
}
