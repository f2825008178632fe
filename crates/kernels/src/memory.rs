//! Memory that stays with the process.
//!
//! A training step frees and allocates again the same large tensors. The C library of GNU gives each back to the system
//! and takes it anew: pages are unmapped in all threads, faulted in and zeroed, for a fifth of the time of
//! a step. Told to keep them, it reuses them. An allocator of its own (mimalloc) gains as much but
//! less steadily, and would bring a C compiler into the build.
//!
//! The one call here is unsafe only because it is one of C: `mallopt` takes two numbers by value, touches
//! no memory of ours, and the library documents any number as allowed; an unknown one is refused.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    allow(unsafe_code, reason = "mallopt is a function of the C library")
)]

/// Tells the allocator to keep freed memory for reuse. For a program to call once, before it starts threads.
///
/// The process then holds as much memory as it ever held at once. Does nothing but on Linux with the GNU
/// C library.
pub fn keep_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: see the head of this module.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            // One arena, since a thread's own would keep what only that thread can reuse.
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}
