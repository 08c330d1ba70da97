//! What every fuzz target adds to its property: a bound on the memory that bytes from outside can make it take.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What takes memory whatever the input is: an error's text, a parser of settings.
const FIXED: usize = 128 << 10;

/// The system's allocator, which keeps account. One thread runs a target, so that the figures are of its property.
struct Counted;

#[global_allocator]
static COUNTED: Counted = Counted;
static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = TAKEN.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(taken, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Checks a property for one input; panics where that takes more than so many bytes of memory for each byte of input.
pub fn within(bytes_each: usize, input: &[u8], property: impl FnOnce(&[u8])) {
    let before = TAKEN.load(Relaxed);
    MOST.store(before, Relaxed);
    property(input);
    let taken = MOST.load(Relaxed) - before;
    let most = FIXED + bytes_each * input.len();
    assert!(
        taken <= most,
        "{} bytes of input took {taken} of memory",
        input.len()
    );
}
