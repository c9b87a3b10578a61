//! What the engine stops claiming when nobody answers any more: `maxunreach`.

use super::clock::Reading;
use super::clock::Status;
use super::core::Engine;
use super::note::Action;
use super::note::Note;

/// Polls without an answer that make a source unreachable (RFC 5905 §13).
const UNREACHABLE: u32 = 8;

impl Engine {
    /// While no source answers, the one that was followed stays the reference for `maxunreach`
    /// polls; then there is none.
    pub(super) fn lose_unreachable(&mut self, now: Reading) {
        let Some(followed) = self.last_best.and_then(|i| self.sources.get(i)) else {
            return;
        };
        let patience = UNREACHABLE.saturating_add(followed.config.max_unreach);
        let mut others = self.sources.iter().filter(|s| !s.select.no_select);
        if followed.unanswered <= patience || others.any(|s| s.reach != 0) {
            return;
        }
        let source = followed.config.name.clone();
        self.vote.best = None;
        self.last_best = None;
        self.updates.lose();
        self.note(Note::Lost { source });
        self.actions.push_back(Action::Publish(Status::UNKNOWN));
        self.record_loss(now);
    }
}
