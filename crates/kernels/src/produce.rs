//! Large outputs that are not cleared before they are written.
//!
//! `vec![0.0; length]` goes once over the memory and leaves nothing of it in the caches. Here each thread
//! clears a piece just before it writes there.
//!
//! Room that no value was written to yet is the reason for the two unsafe lines: a piece is handed out as values
//! only after zeros were written to all of it, and the pieces are the whole room.
#![allow(unsafe_code, reason = "see above")]

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// `length` values: `fill` is given each piece of `piece` values, all zero, with its number and a scratch of the thread.
pub fn produce<S>(
    length: usize,
    piece: usize,
    scratch: impl Fn() -> S + Sync + Send,
    fill: impl Fn(&mut S, usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    let room = &mut values.spare_capacity_mut()[..length];
    room.par_chunks_mut(piece).enumerate().for_each_init(scratch, |scratch, (index, room)| {
        fill(scratch, index, cleared(room));
    });
    // SAFETY: each of the `length` values was written by `cleared`.
    unsafe { values.set_len(length) };
    values
}

fn cleared(room: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    for value in &mut *room {
        value.write(0.0);
    }
    let values: *mut [MaybeUninit<f32>] = room;
    // SAFETY: the same place, exclusively borrowed for the same time, now written throughout.
    unsafe { &mut *(values as *mut [f32]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_cleared_and_filled_once() {
        let values =
            produce(10, 4, || 1.0, |one, index, piece| piece.iter_mut().for_each(|v| *v += *one + index as f32));
        assert_eq!(values, [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0]);
        assert!(produce(0, 4, || (), |(), _, _| unreachable!()).is_empty());
    }
}
