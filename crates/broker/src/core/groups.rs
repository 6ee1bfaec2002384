//! The groups of shared subscriptions: of all who joined one, one receives each message (MQTT 5.0 section 4.8.2).

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::{Options, Wanted};

/// A session in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) session: u32,
    pub(crate) options: Options,
    pub(crate) identifier: Option<u32>,
}

/// One shared subscription: a name and a filter, and who has joined.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) members: Vec<Member>,
    /// Whose turn it is.
    next: usize,
}

impl Group {
    /// Every member once, the one whose turn it is first.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = (usize, &Member)> {
        let next = self.next.min(self.members.len());
        let (later, first) = self.members.split_at(next);
        let numbered = |from: usize, members| std::iter::zip(from.., members);
        numbered(next, first).chain(numbered(0, later))
    }

    /// The member in this place was chosen: the next one's turn is next.
    pub(crate) fn served(&mut self, place: usize) {
        self.next = (place + 1) % self.members.len().max(1);
    }
}

/// What a member takes besides the text of its filter: its entry here and the one in its session.
const MEMBER_BYTES: usize = 300;

/// All groups, by number and by what they share.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    slots: Vec<Option<Group>>,
    by_wanted: HashMap<Arc<Wanted>, u32>,
    members: usize,
    text_bytes: usize,
}

impl Groups {
    /// How many members all groups have.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.by_wanted.len()
    }

    /// What all members take.
    pub(crate) fn bytes(&self) -> usize {
        self.text_bytes + self.members * MEMBER_BYTES
    }

    /// What one more member takes.
    pub(crate) fn new_bytes(wanted: &Wanted) -> usize {
        text_bytes(wanted) + MEMBER_BYTES
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Group> {
        self.slots.get(number as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Group> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    pub(crate) fn find(&self, wanted: &Wanted) -> Option<u32> {
        self.by_wanted.get(wanted).copied()
    }

    /// A session joins, or changes how it takes part. Gives the number of the group when it is new.
    pub(crate) fn join(&mut self, wanted: &Wanted, member: Member) -> Option<u32> {
        let known = self.find(wanted);
        let number = known.unwrap_or_else(|| self.found(wanted));
        let group = self.get_mut(number)?;
        match group.members.iter_mut().find(|one| one.session == member.session) {
            Some(one) => *one = member,
            None => {
                group.members.push(member);
                self.members += 1;
                self.text_bytes += text_bytes(wanted);
            }
        }
        known.is_none().then_some(number)
    }

    fn found(&mut self, wanted: &Wanted) -> u32 {
        let wanted = Arc::new(wanted.clone());
        let group = Group { wanted: Arc::clone(&wanted), members: Vec::new(), next: 0 };
        // Looking for a free place costs as much as there are groups, which only the first member of each pays.
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        match self.slots.get_mut(free) {
            Some(slot) => *slot = Some(group),
            None => self.slots.push(Some(group)),
        }
        // Groups are bounded by the limit on the bytes of subscriptions, far below 2^32.
        self.by_wanted.insert(wanted, free as u32);
        free as u32
    }

    /// A session leaves. Gives the number of the group when that was its last member; the group is gone then.
    pub(crate) fn leave(&mut self, wanted: &Wanted, session: u32) -> Option<u32> {
        let number = self.find(wanted)?;
        let group = self.get_mut(number)?;
        let place = group.members.iter().position(|one| one.session == session)?;
        group.members.remove(place);
        // Those behind move up, and whoever's turn it was keeps it.
        if place < group.next {
            group.next -= 1;
        }
        let is_empty = group.members.is_empty();
        self.members -= 1;
        self.text_bytes -= text_bytes(wanted);
        if !is_empty {
            return None;
        }
        self.by_wanted.remove(wanted);
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = None;
        }
        Some(number)
    }
}

fn text_bytes(wanted: &Wanted) -> usize {
    wanted.filter.as_str().len() + wanted.share.as_ref().map_or(0, |name| name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(session: u32) -> Member {
        Member { session, options: Options::default(), identifier: None }
    }

    fn turn(groups: &mut Groups, number: u32) -> u32 {
        let group = groups.get_mut(number).unwrap();
        let (place, chosen) = group.in_turn().next().map(|(place, one)| (place, one.session)).unwrap();
        group.served(place);
        chosen
    }

    #[test]
    fn everybody_has_a_turn_whoever_comes_and_goes() {
        let mut groups = Groups::default();
        let wanted = Wanted::parse("$share/g/t").unwrap();
        let number = groups.join(&wanted, member(1)).unwrap();
        assert_eq!(groups.join(&wanted, member(2)), None);
        assert_eq!(groups.join(&wanted, member(3)), None);
        assert_eq!((groups.join(&wanted, member(3)), groups.members()), (None, 3));
        assert_eq!([(); 4].map(|()| turn(&mut groups, number)), [1, 2, 3, 1]);
        assert_eq!(groups.leave(&wanted, 1), None);
        assert_eq!([(); 3].map(|()| turn(&mut groups, number)), [2, 3, 2]);
        assert_eq!((groups.leave(&wanted, 3), groups.leave(&wanted, 3)), (None, None));
        assert_eq!(turn(&mut groups, number), 2);
        assert_eq!(groups.leave(&wanted, 2), Some(number));
        assert_eq!((groups.members(), groups.len(), groups.bytes()), (0, 0, 0));
        assert!(groups.get(number).is_none());
    }

    #[test]
    fn another_filter_is_another_group() {
        let mut groups = Groups::default();
        let wanted = |text| Wanted::parse(text).unwrap();
        let numbers: Vec<Option<u32>> = ["$share/g/a", "$share/g/b", "$share/h/a"]
            .map(|text| groups.join(&wanted(text), member(1)))
            .into();
        assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
        groups.leave(&wanted("$share/g/b"), 1);
        assert_eq!(groups.join(&wanted("$share/i/a"), member(1)), Some(1), "numbers are used again");
    }
}
