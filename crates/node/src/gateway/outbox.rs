//! What waits to be written to one connection: a queue of frames, shared with other outboxes where they carry a change.
//!
//! Past its bound, changes are merged per watched user: the older one leaves its place, the newer one stays at the end
//! (R6.3, R6.4). What cannot be merged (replies, and the last change of each user) is bounded by others: a connection
//! over its bound is not read, and a user watches a bounded number of users.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

struct Frame {
    bytes: Bytes,
    /// Whose change it is; `None`: not to be merged.
    change_of: Option<u64>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that were written.
    written: usize,
    /// Bytes still to write.
    bytes: usize,
    /// Changes were merged since it was empty: its receiver is slow (R8.10).
    merging: bool,
    /// Merge when it holds more than this; 0: the bound. Twice what was left by the last merge, so that merging costs
    /// no more than queueing.
    merge_above: usize,
}

/// Frames an emptied queue keeps room for; more are given back.
const ROOM_KEPT: usize = 4;

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes still to write.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether its receiver is so slow that changes had to be merged (R6.3, R8.10).
    pub(crate) fn is_merging(&self) -> bool {
        self.merging
    }

    /// Appends frames that are delivered as they are.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.append(Frame {
            bytes,
            change_of: None,
        });
    }

    /// Appends a change of the user that `watched` stands for. Past `bytes_max`, older changes are dropped for newer
    /// ones of the same user. True if that began with this one.
    pub(crate) fn push_change(&mut self, watched: u64, bytes: Bytes, bytes_max: usize) -> bool {
        self.append(Frame {
            bytes,
            change_of: Some(watched),
        });
        if self.bytes <= bytes_max.max(self.merge_above) {
            return false;
        }
        let began = !self.merging;
        self.merge();
        self.merge_above = 2 * self.bytes;
        began
    }

    fn append(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
    }

    fn merge(&mut self) {
        self.merging = true;
        // A frame of which some bytes are out must go on.
        let begun = if self.written > 0 {
            self.frames.pop_front()
        } else {
            None
        };
        let mut seen = HashSet::new();
        let mut kept = VecDeque::with_capacity(self.frames.len());
        while let Some(frame) = self.frames.pop_back() {
            if frame.change_of.is_none_or(|watched| seen.insert(watched)) {
                kept.push_front(frame);
            } else {
                self.bytes -= frame.bytes.len();
            }
        }
        if let Some(frame) = begun {
            kept.push_front(frame);
        }
        kept.shrink_to_fit();
        self.frames = kept;
    }

    /// What to write next: the first frame alone where it is the only one or fills `gather_bytes`, else as many as fit,
    /// copied together.
    pub(crate) fn next_write<'a>(&'a self, scratch: &'a mut Vec<u8>, gather_bytes: usize) -> &'a [u8] {
        let Some(first) = self.frames.front() else {
            return &[];
        };
        let first = first.bytes.get(self.written..).unwrap_or(&[]);
        if self.frames.len() == 1 || first.len() >= gather_bytes {
            return first;
        }
        scratch.clear();
        scratch.extend_from_slice(first);
        for frame in self.frames.iter().skip(1) {
            if scratch.len() + frame.bytes.len() > gather_bytes {
                break;
            }
            scratch.extend_from_slice(&frame.bytes);
        }
        scratch
    }

    /// So many bytes were written.
    pub(crate) fn written(&mut self, mut count: usize) {
        self.bytes -= count;
        count += self.written;
        while let Some(first) = self.frames.front() {
            if count < first.bytes.len() {
                break;
            }
            count -= first.bytes.len();
            self.frames.pop_front();
        }
        self.written = count;
        if self.frames.is_empty() {
            self.merging = false;
            self.merge_above = 0;
            if self.frames.capacity() > ROOM_KEPT {
                self.frames = VecDeque::new();
            }
        }
    }

    /// All that is left, as bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.bytes);
        for frame in &self.frames {
            all.extend_from_slice(&frame.bytes);
        }
        all.drain(..self.written);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox) -> String {
        let mut text = Vec::new();
        let mut scratch = Vec::new();
        while !outbox.is_empty() {
            let bytes = outbox.next_write(&mut scratch, 7).to_vec();
            text.extend_from_slice(&bytes);
            outbox.written(bytes.len());
        }
        assert_eq!(outbox.bytes(), 0);
        String::from_utf8(text).expect("the frames are text")
    }

    #[test]
    fn frames_come_out_in_order_whatever_a_write_takes() {
        let mut outbox = Outbox::default();
        for text in ["abc", "de", "fghijklmnop", "q"] {
            outbox.push(Bytes::from_static(text.as_bytes()));
        }
        let mut out = String::new();
        let mut scratch = Vec::new();
        while !outbox.is_empty() {
            let chunk = outbox.next_write(&mut scratch, 6);
            let taken = chunk.len().min(2);
            out.push_str(std::str::from_utf8(&chunk[..taken]).expect("text"));
            outbox.written(taken);
        }
        assert_eq!(out, "abcdefghijklmnopq");
    }

    #[test]
    fn past_the_bound_the_older_change_of_a_user_leaves_its_place_r6_3() {
        let mut outbox = Outbox::default();
        outbox.push_change(1, Bytes::from_static(b"[a1]"), 20);
        outbox.push_change(2, Bytes::from_static(b"[b1]"), 20);
        outbox.push(Bytes::from_static(b"(reply)"));
        outbox.push_change(1, Bytes::from_static(b"[a2]"), 20);
        assert!(!outbox.is_merging());
        outbox.push_change(1, Bytes::from_static(b"[a3]"), 20);
        assert!(outbox.is_merging());
        assert_eq!(drain(&mut outbox), "[b1](reply)[a3]");
        assert!(!outbox.is_merging(), "an emptied outbox begins anew");
    }

    #[test]
    fn a_frame_that_was_begun_is_finished_before_what_replaced_it() {
        let mut outbox = Outbox::default();
        outbox.push_change(1, Bytes::from_static(b"[a1]"), 8);
        outbox.push_change(2, Bytes::from_static(b"[b1]"), 8);
        outbox.written(2);
        outbox.push_change(2, Bytes::from_static(b"[b2]"), 8);
        assert!(outbox.is_merging());
        outbox.push_change(1, Bytes::from_static(b"[a2]"), 8);
        assert_eq!(drain(&mut outbox), "1][b2][a2]");
    }

    #[test]
    fn a_receiver_that_never_reads_costs_a_bounded_outbox() {
        let mut outbox = Outbox::default();
        for round in 0..100_000_u64 {
            outbox.push_change(round % 10, Bytes::from_static(b"0123456789"), 1_000);
            assert!(outbox.bytes() <= 1_010);
        }
    }

    #[test]
    fn what_moves_to_another_loop_is_what_was_not_written() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abc"));
        outbox.push(Bytes::from_static(b"def"));
        outbox.written(1);
        assert_eq!(outbox.into_bytes(), b"bcdef");
    }
}
