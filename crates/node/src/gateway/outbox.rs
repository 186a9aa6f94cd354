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
    /// Bytes of the first frame that were written: a frame is far shorter than this can count.
    written: u32,
    /// Bytes still to write.
    bytes: usize,
    /// It reached its bound since it was empty: its receiver is slow (R8.10).
    full: bool,
    /// Merge when it holds more than this; 0: the bound. Twice what was left by the last merge, so that merging costs
    /// no more than queueing.
    merge_above: usize,
}

/// Frames an emptied queue keeps room for; more are given back. One is what most ticks bring.
const ROOM_KEPT: usize = 1;
/// Room for a second frame is room for so many.
const ROOM_STEP: usize = 8;

/// What a frame costs besides its bytes, so that a flood of tiny ones is bounded, too.
const FRAME_COST: usize = std::mem::size_of::<Frame>();

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Memory that what is still to be written takes, in bytes, whoever else shares it.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes + self.frames.len() * FRAME_COST
    }

    /// Whether it reached its bound since it was empty (R6.3, R8.10).
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Appends frames that are delivered as they are. True if it became full by that.
    pub(crate) fn push(&mut self, bytes: Bytes, bytes_max: usize) -> bool {
        self.append(Frame {
            bytes,
            change_of: None,
        });
        self.held_bytes() > bytes_max && !std::mem::replace(&mut self.full, true)
    }

    /// Appends a change of the user that `watched` stands for. Past `bytes_max`, older changes are dropped for newer
    /// ones of the same user, and counted in `merged`. True if it became full by that.
    pub(crate) fn push_change(
        &mut self,
        watched: u64,
        bytes: Bytes,
        bytes_max: usize,
        merged: &mut u64,
    ) -> bool {
        self.append(Frame {
            bytes,
            change_of: Some(watched),
        });
        if self.held_bytes() <= bytes_max.max(self.merge_above) {
            return false;
        }
        *merged += self.merge();
        self.merge_above = 2 * self.held_bytes();
        !std::mem::replace(&mut self.full, true)
    }

    fn append(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        match self.frames.capacity() {
            0 => self.frames.reserve_exact(ROOM_KEPT),
            ROOM_KEPT if self.frames.len() == ROOM_KEPT => self.frames.reserve_exact(ROOM_STEP),
            _ => {}
        }
        self.frames.push_back(frame);
    }

    /// Answers how many were dropped.
    fn merge(&mut self) -> u64 {
        let mut dropped = 0;
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
                dropped += 1;
            }
        }
        if let Some(frame) = begun {
            kept.push_front(frame);
        }
        kept.shrink_to_fit();
        self.frames = kept;
        dropped
    }

    /// What to write next: the first frame alone where it is the only one or fills `gather_bytes`, else as many as fit,
    /// copied together.
    pub(crate) fn next_write<'a>(&'a self, scratch: &'a mut Vec<u8>, gather_bytes: usize) -> &'a [u8] {
        let Some(first) = self.frames.front() else {
            return &[];
        };
        let first = first.bytes.get(self.written as usize..).unwrap_or(&[]);
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
        count += self.written as usize;
        while let Some(first) = self.frames.front() {
            if count < first.bytes.len() {
                break;
            }
            count -= first.bytes.len();
            self.frames.pop_front();
        }
        self.written = count as u32;
        if self.frames.is_empty() {
            self.full = false;
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
        all.drain(..self.written as usize);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What four of the frames here hold, the reply included; and two.
    const FOUR_FRAMES: usize = 4 * FRAME_COST + 19;
    const TWO_FRAMES: usize = 2 * FRAME_COST + 8;

    fn drain(outbox: &mut Outbox) -> String {
        let mut text = Vec::new();
        let mut scratch = Vec::new();
        while !outbox.is_empty() {
            let bytes = outbox.next_write(&mut scratch, 7).to_vec();
            text.extend_from_slice(&bytes);
            outbox.written(bytes.len());
        }
        assert_eq!(outbox.held_bytes(), 0);
        String::from_utf8(text).expect("the frames are text")
    }

    #[test]
    fn frames_come_out_in_order_whatever_a_write_takes() {
        let mut outbox = Outbox::default();
        for text in ["abc", "de", "fghijklmnop", "q"] {
            outbox.push(Bytes::from_static(text.as_bytes()), 1_000);
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
        outbox.push_change(1, Bytes::from_static(b"[a1]"), FOUR_FRAMES, &mut 0);
        outbox.push_change(2, Bytes::from_static(b"[b1]"), FOUR_FRAMES, &mut 0);
        outbox.push(Bytes::from_static(b"(reply)"), 1_000);
        outbox.push_change(1, Bytes::from_static(b"[a2]"), FOUR_FRAMES, &mut 0);
        assert!(!outbox.is_full());
        let mut merged = 0;
        outbox.push_change(1, Bytes::from_static(b"[a3]"), FOUR_FRAMES, &mut merged);
        assert_eq!(merged, 2);
        assert!(outbox.is_full());
        assert_eq!(drain(&mut outbox), "[b1](reply)[a3]");
        assert!(!outbox.is_full(), "an emptied outbox begins anew");
    }

    #[test]
    fn a_frame_that_was_begun_is_finished_before_what_replaced_it() {
        let mut outbox = Outbox::default();
        outbox.push_change(1, Bytes::from_static(b"[a1]"), TWO_FRAMES, &mut 0);
        outbox.push_change(2, Bytes::from_static(b"[b1]"), TWO_FRAMES, &mut 0);
        outbox.written(2);
        outbox.push_change(2, Bytes::from_static(b"[b2]"), TWO_FRAMES, &mut 0);
        assert!(outbox.is_full());
        outbox.push_change(1, Bytes::from_static(b"[a2]"), TWO_FRAMES, &mut 0);
        assert_eq!(drain(&mut outbox), "1][b2][a2]");
    }

    #[test]
    fn a_receiver_that_never_reads_costs_a_bounded_outbox() {
        let mut outbox = Outbox::default();
        for round in 0..100_000_u64 {
            outbox.push_change(round % 10, Bytes::from_static(b"0123456789"), 2_000, &mut 0);
            assert!(outbox.held_bytes() <= 2_000);
        }
    }

    #[test]
    fn what_moves_to_another_loop_is_what_was_not_written() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abc"), 1_000);
        outbox.push(Bytes::from_static(b"def"), 1_000);
        outbox.written(1);
        assert_eq!(outbox.into_bytes(), b"bcdef");
    }

    #[test]
    fn many_tiny_frames_fill_it_as_few_large_ones_do() {
        let mut outbox = Outbox::default();
        let mut pushed = 0;
        while !outbox.push(Bytes::from_static(&[0]), 10_000) {
            pushed += 1;
            assert!(pushed < 1_000, "the bytes alone are not what it costs");
        }
        assert!(outbox.is_full());
        assert!(
            !outbox.push(Bytes::from_static(&[0]), 10_000),
            "it became full once"
        );
    }
}
