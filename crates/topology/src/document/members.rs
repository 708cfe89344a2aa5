//! The list of an object's members, in memory that is used again: the list of an event's data is larger than what allocators
//! hand out quickly, and every event needs one.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use super::node::Member;

/// Most events have about this many fields: one allocation instead of four.
const CAPACITY: usize = 20;
/// Lists that grew longer are not kept.
const CAPACITY_MAX: usize = 256;
/// Lists a thread keeps. A step seldom has more objects open.
const SPARE_MAX: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<Member>>> = const { RefCell::new(Vec::new()) };
}

/// A list of members; what it is kept in goes back to its thread.
#[derive(Clone, Debug)]
pub(super) struct Members(Vec<Member>);

impl Default for Members {
    fn default() -> Self {
        let spare = SPARE.try_with(|spare| spare.try_borrow_mut().ok()?.pop());
        Self(spare.ok().flatten().unwrap_or_else(|| Vec::with_capacity(CAPACITY)))
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        let mut list = std::mem::take(&mut self.0);
        // Members hold objects, whose lists come back first.
        list.clear();
        if (1..=CAPACITY_MAX).contains(&list.capacity()) {
            // A thread that ends keeps nothing.
            let _kept = SPARE.try_with(|spare| {
                if let Ok(mut spare) = spare.try_borrow_mut()
                    && spare.len() < SPARE_MAX
                {
                    spare.push(list);
                }
            });
        }
    }
}

impl Deref for Members {
    type Target = Vec<Member>;

    fn deref(&self) -> &Vec<Member> {
        &self.0
    }
}

impl DerefMut for Members {
    fn deref_mut(&mut self) -> &mut Vec<Member> {
        &mut self.0
    }
}
