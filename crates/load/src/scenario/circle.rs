//! Users in a circle, each of whom watches the same number of others, at equal distances after it; and who of them has
//! heard of whom. Knows nothing of servers.

use crate::served::Relations;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Circle {
    users: usize,
    watched_by_each: usize,
    /// From one watched user to the next. `watched_by_each` of them are less than the whole circle.
    stride: usize,
}

impl Circle {
    /// Each watches the ones right after it. `watched_by_each` is below `users`.
    pub fn of_neighbours(users: usize, watched_by_each: usize) -> Circle {
        Circle {
            users,
            watched_by_each,
            stride: 1,
        }
    }

    /// Each watches others spread over the whole circle. `watched_by_each` is below `users`.
    pub fn of_distant(users: usize, watched_by_each: usize) -> Circle {
        Circle {
            users,
            watched_by_each,
            stride: (users / (watched_by_each + 1)).max(1),
        }
    }

    /// Whom this one watches.
    pub fn watched_by(self, user: usize) -> impl Iterator<Item = u32> {
        (1..=self.watched_by_each).map(move |step| ((user + step * self.stride) % self.users) as u32)
    }

    /// The whole circle.
    pub fn relations(self) -> Relations {
        let watches =
            (0..self.users).flat_map(|user| self.watched_by(user).map(move |watched| (user as u32, watched)));
        Relations {
            users: self.users as u32,
            watches: watches.collect(),
        }
    }

    /// Nobody has heard of anybody.
    pub fn unheard(self) -> Heard {
        Heard {
            circle: self,
            heard: vec![false; self.users * self.watched_by_each],
            count: 0,
        }
    }
}

/// Of each who watches: whom it has heard of.
pub struct Heard {
    circle: Circle,
    heard: Vec<bool>,
    count: usize,
}

impl Heard {
    /// `watcher` heard of `watched`. False if it had already, or does not watch that user.
    pub fn note(&mut self, watcher: usize, watched: u32) -> bool {
        let Circle {
            users,
            watched_by_each,
            stride,
        } = self.circle;
        let watched = watched as usize;
        if watcher >= users || watched >= users {
            return false;
        }
        let distance = (watched + users - watcher) % users;
        let step = distance / stride;
        if !distance.is_multiple_of(stride) || !(1..=watched_by_each).contains(&step) {
            return false;
        }
        let fresh = !std::mem::replace(&mut self.heard[watcher * watched_by_each + step - 1], true);
        self.count += usize::from(fresh);
        fresh
    }

    /// Everyone has heard of all whom it watches.
    pub fn is_complete(&self) -> bool {
        self.count == self.heard.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_hears_of_whom_it_watches_once_and_of_nobody_else() {
        let circles = [(10, 3), (10, 9), (7, 0), (11, 4), (2, 1)]
            .map(|(users, watched)| {
                [
                    Circle::of_neighbours(users, watched),
                    Circle::of_distant(users, watched),
                ]
            })
            .concat();
        for circle in circles {
            let watches = circle.relations().watches;
            assert_eq!(watches.len(), circle.users * circle.watched_by_each);
            let mut heard = circle.unheard();
            for watcher in 0..circle.users as u32 {
                for watched in (0..circle.users as u32 + 2).chain([u32::MAX]) {
                    let is_watched = watches.contains(&(watcher, watched));
                    assert!(
                        watcher != watched || !is_watched,
                        "{circle:?}: {watcher} watches itself"
                    );
                    assert_eq!(heard.is_complete(), heard.count == watches.len());
                    assert_eq!(
                        heard.note(watcher as usize, watched),
                        is_watched,
                        "{circle:?}: {watcher} of {watched}"
                    );
                    assert!(!heard.note(watcher as usize, watched), "a second time");
                }
            }
            assert!(heard.is_complete());
        }
    }
}
